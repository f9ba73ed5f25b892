//! Who runs what: a pure function of what is desired and who is there.
//!
//! An actor goes to the nodes that its rule names, to each node that may have it, or to as many of
//! those as it wants replicas, the ones that rank highest for it (`rank.rs`). Every node works out the
//! same, from desired state, cordons and members alone and whatever their order; nothing that it forbids is
//! ever done, and what cannot be done is a shortage.
//!
//! What moves when something changes:
//! - an actor that no node turns down for room or for another actor, neither before nor after, does
//!   not notice others. A node that comes gets at most one replica of it, and at most one other gives
//!   one up; a node that goes loses what it had, and at most one other gets that. Labels and `spread`
//!   change nothing of this. Expected is the fair share: replicas, by the number of nodes;
//! - one that is turned down somewhere depends on those whose turn is earlier (`wish.rs`), and on
//!   nobody else. What room a node brings or takes along may move one such actor after the other, each
//!   of a later turn than the last. Nothing tighter holds: where there was one before, it is not known.

mod cordon;
mod drain;
mod ground;
mod rank;
mod reasons;
mod room;
mod rule;
mod wish;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use wrt_protocol::{ActorAddress, NodeId};

use crate::DesiredApp;
pub use cordon::{Cordon, Cordons};
pub use drain::{Drain, cordoned, drained};
use ground::Ground;
pub use reasons::{Explanation, Refusal, Verdict};
pub use room::{Capacity, Lack, OWN_LABELS, Resource, Room};
pub use rule::PlacementRule;
use wish::wishes;

/// A node, as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedMember {
    /// Its name.
    pub id: NodeId,
    /// What its operator says of it, and what it offers ([`Capacity`]).
    pub labels: BTreeMap<String, String>,
    /// Whether it may get anything.
    pub standing: Standing,
    /// What it keeps where it takes nothing new ([`Cordons::put_on`]).
    pub cordon: Option<Arc<Cordon>>,
}

/// Whether a node may get anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Serving,
    /// It gives away what it has.
    Draining,
    /// It was not heard for too long.
    Dead,
}

/// Who runs what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// The share of each node that has one.
    pub shares: BTreeMap<NodeId, BTreeSet<ActorAddress>>,
    /// Actors with fewer replicas than they want.
    pub shortages: Vec<Shortage>,
}

/// An actor that there are too few nodes for. [`explain`] has what stands against each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The actor.
    pub actor: ActorAddress,
    /// Replicas that it wants.
    pub wanted: usize,
    /// Replicas that it gets.
    pub placed: usize,
    /// Nodes that it names and that are not there.
    pub absent: Vec<NodeId>,
    /// The nodes that are there, and cannot have it.
    pub turned_down: TurnedDown,
}

/// How many nodes cannot have an actor, by the reason; one may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TurnedDown {
    /// They lack a label.
    pub unfit: usize,
    /// They take nothing new.
    pub cordoned: usize,
    /// They have another actor that it is kept apart from.
    pub apart: usize,
    /// Too little is left of what they offer.
    pub without_room: usize,
}

impl PlacedMember {
    /// Whether it may get anything.
    #[must_use]
    pub fn takes_placement(&self) -> bool {
        self.standing == Standing::Serving
    }
}

impl Placement {
    /// What `node` runs.
    pub fn share(&self, node: &NodeId) -> impl Iterator<Item = &ActorAddress> {
        self.shares.get(node).into_iter().flatten()
    }

    /// Which nodes run `actor`.
    pub fn nodes(&self, actor: &ActorAddress) -> impl Iterator<Item = &NodeId> {
        let runs = move |(node, share): (_, &BTreeSet<ActorAddress>)| {
            share.contains(actor).then_some(node)
        };
        self.shares.iter().filter_map(runs)
    }
}

/// Works out the share of each node. The order of `apps` and `members` does not matter.
#[must_use]
pub fn place<'a>(
    apps: impl IntoIterator<Item = &'a DesiredApp>,
    members: &'a [PlacedMember],
) -> Placement {
    let mut ground = Ground::new(members);
    let mut shares: BTreeMap<usize, Vec<ActorAddress>> = BTreeMap::new();
    let mut shortages = Vec::new();
    for wish in wishes(apps) {
        let choice = ground.choose(&wish);
        if choice.nodes.len() < choice.wanted {
            shortages.push(Shortage {
                actor: wish.actor.clone(),
                wanted: choice.wanted,
                placed: choice.nodes.len(),
                absent: choice.absent.clone(),
                turned_down: ground.turned_down(&wish),
            });
        }
        ground.settle(&wish, &choice);
        for node in choice.nodes {
            shares.entry(node).or_default().push(wish.actor.clone());
        }
    }
    shortages.sort_by(|a, b| a.actor.cmp(&b.actor));
    let share =
        |(node, actors): (_, Vec<_>)| (ground.id(node).clone(), actors.into_iter().collect());
    Placement {
        shares: shares.into_iter().map(share).collect(),
        shortages,
    }
}

/// What `node` would get if one of the nodes that run it went: of these it is the next one. Exact for what
/// counts on nobody else; where room or neighbours decide, what a loss moves besides is not looked at. The
/// order of `apps` and `members` does not matter.
#[must_use]
pub fn next_for<'a>(
    apps: impl IntoIterator<Item = &'a DesiredApp>,
    members: &'a [PlacedMember],
    node: &NodeId,
) -> BTreeSet<ActorAddress> {
    let mut ground = Ground::new(members);
    let mut next = BTreeSet::new();
    for wish in wishes(apps) {
        if ground
            .next(&wish)
            .into_iter()
            .any(|it| ground.id(it) == node)
        {
            next.insert(wish.actor.clone());
        }
        let choice = ground.choose(&wish);
        ground.settle(&wish, &choice);
    }
    next
}

/// Why `actor` is where [`place`] puts it, and why not elsewhere; `None` if no app has it.
#[must_use]
pub fn explain<'a>(
    apps: impl IntoIterator<Item = &'a DesiredApp>,
    members: &'a [PlacedMember],
    actor: &ActorAddress,
) -> Option<Explanation> {
    let mut ground = Ground::new(members);
    for wish in wishes(apps) {
        if wish.actor == *actor {
            return Some(ground.explain(&wish));
        }
        let choice = ground.choose(&wish);
        ground.settle(&wish, &choice);
    }
    None
}

#[cfg(test)]
mod tests;
