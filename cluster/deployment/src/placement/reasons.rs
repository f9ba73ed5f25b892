//! Why an actor is not on a node: said by what places it, so that the two cannot disagree.

use std::fmt;

use serde::Serialize;
use wrt_protocol::{ActorAddress, NodeId};

use super::{Lack, PlacedMember, PlacementRule, Standing};

/// What stands against a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refusal {
    /// It is named, and nobody has heard of it.
    Absent,
    /// It was not heard for too long.
    Dead,
    /// It gives away what it has.
    Draining,
    /// It takes nothing new.
    Cordoned,
    /// Others are named.
    NotNamed,
    /// It lacks a label, or has another value of it.
    Label {
        /// The label.
        key: String,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: Option<String>,
    },
    /// It lacks the label over which replicas are spread.
    NoSpreadLabel {
        /// The label.
        key: String,
    },
    /// It has an actor that this one is kept apart from.
    Apart {
        /// The other one.
        #[serde(serialize_with = "as_text")]
        from: ActorAddress,
    },
    /// Those whose turn came earlier have left too little.
    NoRoom(Lack),
}

/// What was decided of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It gets a replica. So many nodes come before it.
    Placed {
        /// 0 is the best.
        rank: usize,
    },
    /// It could have one, and those before it were enough.
    Spare {
        /// How many come before it.
        rank: usize,
    },
    /// It cannot have one, by all of these.
    Refused(Vec<Refusal>),
}

/// Where one actor goes, and why not elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The actor.
    pub actor: ActorAddress,
    /// Replicas that it wants.
    pub wanted: usize,
    /// Replicas that it gets.
    pub placed: usize,
    /// Whether it wants one on each node that may have it.
    pub wants_each_node: bool,
    /// What was decided of each node that there is, or that is named.
    pub nodes: Vec<(NodeId, Verdict)>,
}

/// What stands against a node whatever else is placed, but that others are named.
pub(super) fn unfit(
    rule: &PlacementRule,
    member: &PlacedMember,
) -> impl Iterator<Item = Refusal> + use<> {
    let standing = match member.standing {
        Standing::Serving => None,
        Standing::Draining => Some(Refusal::Draining),
        Standing::Dead => Some(Refusal::Dead),
    };
    let mut refusals = Vec::from_iter(standing);
    if rule.nodes.is_empty() {
        let lacking = rule
            .labels
            .iter()
            .filter(|(key, value)| member.labels.get(*key) != Some(*value));
        refusals.extend(lacking.map(|(key, value)| Refusal::Label {
            key: key.clone(),
            wanted: value.clone(),
            found: member.labels.get(key).cloned(),
        }));
        let spread = rule.spread.as_ref();
        let lacking = spread.filter(|key| !member.labels.contains_key(*key));
        refusals.extend(lacking.map(|key| Refusal::NoSpreadLabel { key: key.clone() }));
    } else if !rule.nodes.contains(&member.id) {
        refusals.push(Refusal::NotNamed);
    }
    refusals.into_iter()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is not on the lattice"),
            Self::Dead => f.write_str("was not heard for too long"),
            Self::Draining => f.write_str("drains, and takes nothing new"),
            Self::Cordoned => f.write_str("is cordoned, and takes nothing new"),
            Self::NotNamed => f.write_str("is not one of its `nodes`"),
            Self::Label {
                key,
                wanted,
                found: Some(found),
            } => write!(f, "has {key}={found} and not {key}={wanted}"),
            Self::Label { key, wanted, .. } => write!(f, "has no label {key}={wanted}"),
            Self::NoSpreadLabel { key } => {
                write!(f, "has no label {key}, over which replicas are spread")
            }
            Self::Apart { from } => write!(f, "has {from}, from which it is kept apart"),
            Self::NoRoom(Lack {
                resource,
                wanted,
                left,
                offered,
            }) => write!(
                f,
                "has no room for {}: {} of {} left",
                resource.words(*wanted),
                resource.number(*left),
                resource.number(*offered)
            ),
        }
    }
}

impl Refusal {
    /// What would have to change at the node, or in the manifest.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Absent => "start it".to_owned(),
            Self::Dead => "start it again, or mend its connection".to_owned(),
            Self::Draining => "start it again, or another one".to_owned(),
            Self::Cordoned => "uncordon it".to_owned(),
            Self::NotNamed => "add it to `nodes`".to_owned(),
            Self::Label { key, wanted, .. } => {
                format!("start it with `--label {key}={wanted}`, or ask for another label")
            }
            Self::NoSpreadLabel { key } => format!("start it with `--label {key}=...`"),
            Self::Apart { from } => {
                format!("move {from} elsewhere, or take it out of `apart_from`")
            }
            Self::NoRoom(lack) => format!(
                "offer {} more with `{}`, or ask for less `room`",
                lack.resource.words(lack.wanted.saturating_sub(lack.left)),
                lack.resource.flag()
            ),
        }
    }
}

fn as_text<S: serde::Serializer>(actor: &ActorAddress, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(actor)
}
