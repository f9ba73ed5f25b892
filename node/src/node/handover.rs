//! When a replica may go: its successors serve.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::Instant;
use wrt_deployment::{PlacedMember, Placement, Snapshot, Standing, place};
use wrt_membership::{Liveness, Member, Membership, View};
use wrt_protocol::ActorAddress;

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

/// Waits until nobody misses `actors` when this node, which drains, stops them: another one serves
/// each of them, or none will. Until then this one goes on to serve: callers that find no other
/// replica reach it through its queue group.
pub(crate) async fn handed_over(
    membership: &Arc<Membership>,
    snapshot: &Snapshot,
    actors: &[ActorAddress],
    end: Instant,
) {
    let mut views = membership.changes();
    let handed_over = async {
        loop {
            views.borrow_and_update();
            let view = membership.view();
            let placement = placement(snapshot, &view);
            let may_go = |actor: &ActorAddress| {
                !view.remote_candidates(actor).is_empty() || placement.nodes(actor).next().is_none()
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
        standing: match member.liveness {
            Liveness::Dead => Standing::Dead,
            Liveness::Alive | Liveness::Suspect if member.takes_placement() => Standing::Serving,
            Liveness::Alive | Liveness::Suspect => Standing::Draining,
        },
        cordon: None,
    }
}
