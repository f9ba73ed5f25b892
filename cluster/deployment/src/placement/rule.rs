//! What an actor asks of where it goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wrt_protocol::{ActorAddress, NodeId};

use super::Room;
use crate::LinkEnd;

/// Where replicas go: to named nodes, to each node, or so many of them to the nodes that have all the
/// labels. Two replicas of one actor are never on one node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementRule {
    /// One replica on each of these, if not empty.
    pub nodes: Vec<NodeId>,
    /// Labels that a node must have.
    pub labels: BTreeMap<String, String>,
    /// How many replicas; `None` is one on each matching node for a provider with an address, and
    /// one for everything else.
    pub replicas: Option<u32>,
    /// One on each matching node, whatever it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_node: bool,
    /// Of all replicas on the lattice, those of other sides of a split included, one serves at a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// The label over whose values replicas are spread evenly. A node without it gets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// Actors of the same app that are on no node with this one, whichever of the two says so.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub apart_from: BTreeSet<LinkEnd>,
    /// What each replica takes of what its node offers.
    #[serde(default, skip_serializing_if = "Room::is_nothing")]
    pub room: Room,
}

impl PlacementRule {
    /// The first version of the stored form whose readers know all that it says.
    pub(crate) fn version_needed(&self) -> u32 {
        let is_of_first_form = !self.every_node
            && self.spread.is_none()
            && self.apart_from.is_empty()
            && self.room.is_nothing();
        match (self.exclusive, is_of_first_form) {
            (true, _) => 4,
            (false, false) => 3,
            (false, true) => 2,
        }
    }

    /// The actors of `own`'s app that `own` is kept apart from, by its own wish.
    pub(super) fn kept_from(&self, own: &ActorAddress) -> impl Iterator<Item = ActorAddress> {
        let others = self.apart_from.iter().map(|end| end.of_app(&own.app));
        others.filter(move |other| other != own)
    }
}
