//! What becomes of a node's share when it is to be emptied.

use std::{collections::BTreeSet, sync::Arc};

use wrt_protocol::{ActorAddress, NodeId};

use super::{Cordon, PlacedMember, Placement, place, wish::wishes};
use crate::DesiredApp;

/// What of a node's share has a place elsewhere, and what has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drain {
    /// Goes elsewhere, or is on every other node as well.
    pub moves: BTreeSet<ActorAddress>,
    /// Stays: it names the node, no other one fits or has room, or what it would take elsewhere others need.
    pub keeps: BTreeSet<ActorAddress>,
}

/// Works out how far `node` can be emptied so that nothing that is deployed loses a replica by it.
///
/// What cannot go is kept one by one, beginning with what has no other place at all; then, while somebody
/// elsewhere would have to give way, with what asks for most. So it ends after as many placements as the node
/// has replicas, at the most, and usually after two.
#[must_use]
pub fn drained(apps: &[&DesiredApp], members: &[PlacedMember], node: &NodeId) -> Drain {
    let before = place(apps.iter().copied(), members);
    let share: BTreeSet<_> = before.share(node).cloned().collect();
    let mut keeps = BTreeSet::new();
    loop {
        let after = place(apps.iter().copied(), &cordoned(members, node, &keeps));
        let lost = lost(&before, &after);
        let moves: BTreeSet<_> = share.difference(&keeps).cloned().collect();
        let mut stay: Vec<_> = lost.intersection(&moves).cloned().collect();
        if stay.is_empty() && !lost.is_empty() {
            stay.extend(largest(apps, &moves));
        }
        if stay.is_empty() {
            // What was kept at first may have found a place that another one has left meanwhile.
            let keeps: BTreeSet<_> = after.share(node).cloned().collect();
            let moves = share.difference(&keeps).cloned().collect();
            return Drain { moves, keeps };
        }
        keeps.extend(stay);
    }
}

/// `members`, of which `node` keeps this and takes nothing else.
#[must_use]
pub fn cordoned(
    members: &[PlacedMember],
    node: &NodeId,
    keeps: &BTreeSet<ActorAddress>,
) -> Vec<PlacedMember> {
    let mut members = members.to_vec();
    for member in members.iter_mut().filter(|member| member.id == *node) {
        member.cordon = Some(Arc::new(Cordon {
            keeps: keeps.clone(),
        }));
    }
    members
}

/// Those that have fewer replicas than before, and too few.
fn lost(before: &Placement, after: &Placement) -> BTreeSet<ActorAddress> {
    let short = after.shortages.iter();
    let short = short.filter(|it| it.placed < before.nodes(&it.actor).count());
    short.map(|it| it.actor.clone()).collect()
}

/// Of those that count for others, the one that asks for the most room.
fn largest(apps: &[&DesiredApp], of: &BTreeSet<ActorAddress>) -> Option<ActorAddress> {
    let wishes = wishes(apps.iter().copied()).into_iter();
    let count = wishes.filter(|wish| wish.is_entangled() && of.contains(&wish.actor));
    let largest = count.max_by(|a, b| (a.rule.room, &a.actor).cmp(&(b.rule.room, &b.actor)));
    largest.map(|wish| wish.actor)
}
