//! Letters on the way to a page of them.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::message::{Message as _, OwnedMessage};
use wrt_runtime::{DeadLetter, DeadLetterPage, PAGE_LETTERS_MAX};

use super::{
    said_of,
    topic::{Place, Read, Record, kind_of},
};

/// Letters that are looked at for one page: others may be removed among them.
const LOOKED_AT_MAX: usize = 4096;

/// Where a letter is among all of a component: by time, and where that is the same by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    at_millis: i64,
    place: Place,
}

impl Rank {
    /// Behind which one a page begins.
    pub(super) fn read(after: &str) -> Option<Self> {
        let (at_millis, id) = after.split_once('@')?;
        let (at_millis, place) = (at_millis.parse().ok()?, Place::read(id)?);
        Some(Self { at_millis, place })
    }

    fn after(self) -> String {
        format!("{}@{}", self.at_millis, self.place.id())
    }
}

/// Letters on the way to a page.
#[derive(Default)]
pub(super) struct Looked {
    after: Option<Rank>,
    letters: BTreeMap<Rank, DeadLetter>,
    /// Some behind those were seen as well.
    is_cut: bool,
    removed: BTreeSet<Place>,
    /// All letters of each partition that have no mark yet.
    left: BTreeSet<Place>,
}

impl Looked {
    /// For the page behind `after`.
    pub(super) fn behind(after: Option<Rank>) -> Self {
        Self {
            after,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, record: &OwnedMessage) {
        let place = match kind_of(record) {
            Record::Mark(place) => {
                self.left.remove(&place);
                self.removed.insert(place);
                return;
            }
            Record::Letter(place) => place,
        };
        self.left.insert(place);
        let at_millis = record.timestamp().to_millis().unwrap_or(0);
        let rank = Rank { at_millis, place };
        if self.after.is_some_and(|after| rank <= after) {
            return;
        }
        self.letters.insert(rank, said_of(record, place));
        if self.letters.len() > LOOKED_AT_MAX {
            self.letters.pop_last();
            self.is_cut = true;
        }
    }

    pub(super) fn page(mut self) -> DeadLetterPage {
        let last_seen = self.letters.last_key_value().map(|(rank, _)| *rank);
        self.letters
            .retain(|rank, _| !self.removed.contains(&rank.place));
        let more = self.letters.len() > PAGE_LETTERS_MAX;
        let taken: Vec<_> = self.letters.into_iter().take(PAGE_LETTERS_MAX).collect();
        let next = match taken.last() {
            Some((rank, _)) if more => Some(*rank),
            _ => last_seen.filter(|_| self.is_cut),
        };
        DeadLetterPage {
            next: next.map(Rank::after),
            letters: taken.into_iter().map(|(_, letter)| letter).collect(),
        }
    }

    /// Up to where nothing is left of each partition that was read from its beginning.
    pub(super) fn done_up_to(&self, read: &Read) -> Vec<(i32, i64)> {
        let up_to = |(partition, (from, to)): (&i32, &(i64, i64))| {
            let first = |offset| Place {
                partition: *partition,
                offset,
            };
            let left = self.left.range(first(*from)..first(*to)).next();
            let up_to = left.map_or(*to, |place| place.offset);
            (up_to > *from).then_some((*partition, up_to))
        };
        read.iter().filter_map(up_to).collect()
    }
}
