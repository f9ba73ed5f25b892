//! When a replica may go: its successors serve.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::Instant;
use wrt_deployment::{PlacedMember, Placement, PlacementRule, Snapshot, Standing, place};
use wrt_membership::{Liveness, Member, Membership, View};
use wrt_protocol::{ActorAddress, NodeId};

use super::decided::Decided;

/// Where everything goes, by what this node sees.
pub(crate) fn placement(snapshot: &Snapshot, view: &View) -> Placement {
    place(
        snapshot.apps.values().map(|stored| &stored.app),
        &members(snapshot, view),
    )
}

/// Everyone, as placement sees them.
pub(crate) fn members(snapshot: &Snapshot, view: &View) -> Vec<PlacedMember> {
    let mut members: Vec<_> = view.members().map(|member| placed_member(member)).collect();
    snapshot.cordons.put_on(&mut members);
    members
}

/// Where `actor` is to go; none where nobody wants it.
pub(crate) fn rule<'a>(snapshot: &'a Snapshot, actor: &ActorAddress) -> Option<&'a PlacementRule> {
    let stored = snapshot.apps.get(&actor.app)?;
    let mut actors = stored.app.actors();
    let (_, rule) = actors.find(|(desired, _)| desired == actor)?;
    Some(rule)
}

/// Whether every node that `actor` goes to serves it, and there is one.
pub(crate) fn has_moved(actor: &ActorAddress, placement: &Placement, view: &View) -> bool {
    let ready: BTreeSet<_> = view
        .remote_candidates(actor)
        .iter()
        .map(|candidate| &candidate.member.id)
        .collect();
    let mut successors = placement.nodes(actor).peekable();
    successors.peek().is_some() && successors.all(|node| ready.contains(node))
}

/// Whether every node that `actor` goes to has begun to bring it up, and there is one: as far as the successor of
/// what is exclusive gets while this one serves. So those who call it meanwhile wait for it.
pub(crate) fn is_awaited(actor: &ActorAddress, placement: &Placement, view: &View) -> bool {
    let reports = |node: &NodeId| {
        view.member(node)
            .is_some_and(|member| member.reports(actor))
    };
    let mut successors = placement.nodes(actor).peekable();
    successors.peek().is_some() && successors.all(reports)
}

/// Waits until nobody misses `actors` when this node, which drains, stops them: another one serves
/// each of them, or none will. Until then this one goes on to serve: callers that find no other
/// replica reach it through its queue group.
pub(crate) async fn handed_over(
    membership: &Arc<Membership>,
    snapshot: &Arc<Snapshot>,
    actors: &[ActorAddress],
    end: Instant,
) {
    let mut views = membership.changes();
    let mut decided = Decided::default();
    let handed_over = async {
        loop {
            views.borrow_and_update();
            let view = membership.view();
            let (placement, _is_new) = decided.placement(snapshot, &view);
            let is_exclusive =
                |actor: &ActorAddress| rule(snapshot, actor).is_some_and(|rule| rule.exclusive);
            let may_go = |actor: &ActorAddress| {
                (is_exclusive(actor) && is_awaited(actor, &placement, &view))
                    || !view.remote_candidates(actor).is_empty()
                    || placement.nodes(actor).next().is_none()
            };
            if actors.iter().all(may_go) || views.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout_at(end, handed_over).await.is_err() {
        tracing::warn!("leaves before all of its share is taken over");
    }
}

fn placed_member(member: &Member) -> PlacedMember {
    PlacedMember {
        id: member.id.clone(),
        labels: member.labels.iter().cloned().collect(),
        standing: standing(member),
        cordon: None,
    }
}

/// Whether placement may give it something.
pub(crate) fn standing(member: &Member) -> Standing {
    match member.liveness {
        Liveness::Dead => Standing::Dead,
        Liveness::Alive | Liveness::Suspect if member.takes_placement() => Standing::Serving,
        Liveness::Alive | Liveness::Suspect => Standing::Draining,
    }
}
