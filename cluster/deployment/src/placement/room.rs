//! What a node offers, and what a replica takes of it. It is book-keeping: nobody measures what is used.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Keys of labels that a node gives itself begin so; its operator's do not.
pub const OWN_LABELS: &str = "wrt/";
const MEMORY_LABEL: &str = "wrt/capacity-memory-bytes";
const CONCURRENCY_LABEL: &str = "wrt/capacity-concurrency";
const MIB: u64 = 1024 * 1024;

/// What one replica takes; 0 is nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Memory.
    pub memory_bytes: u64,
    /// Calls at a time.
    pub concurrency: u64,
}

impl Room {
    /// Whether there is room for it anywhere.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Memory => self.memory_bytes,
            Resource::Concurrency => self.concurrency,
        }
    }
}

/// For people.
impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = Resource::ALL.map(|resource| (resource, self.of(resource)));
        let asked = asked.iter().filter(|(_, amount)| *amount > 0);
        let asked: Vec<_> = asked
            .map(|(resource, amount)| resource.words(*amount))
            .collect();
        f.write_str(&asked.join(" and "))
    }
}

/// What a node offers to those that ask for room; `None` is as much as anybody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Calls at a time.
    pub concurrency: Option<u64>,
}

impl Capacity {
    /// The labels by which a node tells of it: members of every build pass them on.
    #[must_use]
    pub fn labels(&self) -> Vec<(String, String)> {
        let label = |key: &str, amount: Option<u64>| Some((key.to_owned(), amount?.to_string()));
        let labels = [
            label(MEMORY_LABEL, self.memory_bytes),
            label(CONCURRENCY_LABEL, self.concurrency),
        ];
        labels.into_iter().flatten().collect()
    }

    /// What a node's labels tell. A label that says no number offers nothing.
    #[must_use]
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        let amount = |key| Some(labels.get(key)?.parse().unwrap_or(0));
        Self {
            memory_bytes: amount(MEMORY_LABEL),
            concurrency: amount(CONCURRENCY_LABEL),
        }
    }

    fn of(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Memory => self.memory_bytes,
            Resource::Concurrency => self.concurrency,
        }
    }
}

/// What there is a capacity of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Bytes.
    Memory,
    /// Calls at a time.
    Concurrency,
}

impl Resource {
    const ALL: [Self; 2] = [Self::Memory, Self::Concurrency];

    /// An amount of it, for people: `256 MiB of memory`.
    #[must_use]
    pub fn words(self, amount: u64) -> String {
        match self {
            Self::Memory => format!("{} of memory", self.number(amount)),
            Self::Concurrency => format!("{} of concurrency", self.number(amount)),
        }
    }

    /// Without its name: `256 MiB`.
    #[must_use]
    pub fn number(self, amount: u64) -> String {
        match self {
            Self::Memory if amount > 0 && amount.is_multiple_of(MIB) => {
                format!("{} MiB", amount / MIB)
            }
            Self::Memory => format!("{amount} bytes"),
            Self::Concurrency => amount.to_string(),
        }
    }

    /// The flag by which a node offers it.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Memory => "--capacity-memory",
            Self::Concurrency => "--capacity-concurrency",
        }
    }
}

/// What a node has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// Of what.
    pub resource: Resource,
    /// What a replica takes.
    pub wanted: u64,
    /// What was left when it was the actor's turn.
    pub left: u64,
    /// What the node offers in all.
    pub offered: u64,
}

/// What is left of a node's capacity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    offered: Capacity,
    taken: Room,
}

impl Left {
    pub(super) fn all(offered: Capacity) -> Self {
        Self {
            offered,
            taken: Room::default(),
        }
    }

    /// What there is too little of for one more; nothing where there is room.
    pub(super) fn lacks(self, wanted: Room) -> impl Iterator<Item = Lack> {
        Resource::ALL.into_iter().filter_map(move |resource| {
            let (wanted, offered) = (wanted.of(resource), self.offered.of(resource)?);
            let left = offered.saturating_sub(self.taken.of(resource));
            (wanted > left).then_some(Lack {
                resource,
                wanted,
                left,
                offered,
            })
        })
    }

    pub(super) fn take(&mut self, room: Room) {
        let Room {
            memory_bytes,
            concurrency,
        } = &mut self.taken;
        *memory_bytes = memory_bytes.saturating_add(room.memory_bytes);
        *concurrency = concurrency.saturating_add(room.concurrency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_told_by_labels_and_read_from_them() {
        for (memory_bytes, concurrency) in
            [(None, None), (Some(5), None), (Some(0), Some(u64::MAX))]
        {
            let capacity = Capacity {
                memory_bytes,
                concurrency,
            };
            let labels: BTreeMap<_, _> = capacity.labels().into_iter().collect();
            assert_eq!(Capacity::of_labels(&labels), capacity);
            assert!(labels.keys().all(|key| key.starts_with(OWN_LABELS)));
        }
    }

    #[test]
    fn what_is_no_number_offers_nothing() {
        let labels = [(MEMORY_LABEL.to_owned(), "much".to_owned())].into();
        assert_eq!(Capacity::of_labels(&labels).memory_bytes, Some(0));
    }

    #[test]
    fn room_is_taken_until_it_is_gone() {
        let capacity = Capacity {
            memory_bytes: Some(10),
            concurrency: None,
        };
        let mut left = Left::all(capacity);
        let room = Room {
            memory_bytes: 4,
            concurrency: 1000,
        };
        for _ in 0..2 {
            assert_eq!(left.lacks(room).next(), None);
            left.take(room);
        }
        let lack = Lack {
            resource: Resource::Memory,
            wanted: 4,
            left: 2,
            offered: 10,
        };
        assert_eq!(left.lacks(room).collect::<Vec<_>>(), [lack]);
        assert_eq!(left.lacks(Room::default()).next(), None);
    }

    #[test]
    fn amounts_are_told_in_words() {
        let room = Room {
            memory_bytes: 3 * MIB,
            concurrency: 2,
        };
        assert_eq!(room.to_string(), "3 MiB of memory and 2 of concurrency");
        assert_eq!(Resource::Memory.words(MIB + 1), "1048577 bytes of memory");
        assert_eq!(Resource::Memory.words(0), "0 bytes of memory");
    }
}
