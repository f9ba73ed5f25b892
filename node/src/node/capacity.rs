//! What others report of a component's replicas, for a provider that hands messages to it.

use std::{sync::Arc, time::Duration};

use wrt_membership::{Candidate, Membership, View, heartbeat_interval};
use wrt_protocol::{ActorAddress, NodeId};
use wrt_runtime::{Reports, Vacancy};

/// Heartbeats that a report may be late by: it was made before the last one, what has changed little is told by
/// the second, and views lag behind.
const LATE_BY: u32 = 4;

/// What a provider's replica on this node may count on.
pub(crate) struct Reported {
    pub(crate) membership: Arc<Membership>,
    pub(crate) provider: ActorAddress,
}

impl Reports for Reported {
    fn of(&self, component: &ActorAddress) -> Vacancy {
        let view = self.membership.view();
        vacancy(&view, component, &self.provider, self.membership.node())
    }
}

/// Replicas of the provider that have one of the component beside them use that one alone.
fn vacancy(
    view: &View,
    component: &ActorAddress,
    provider: &ActorAddress,
    own: &NodeId,
) -> Vacancy {
    let replicas = view.candidates(component);
    let sum = |of: fn(&Candidate) -> u32| {
        let each = replicas.iter().map(of);
        each.fold(0, u32::saturating_add)
    };
    let has_one = |node: &NodeId| replicas.iter().any(|it| it.member.id == *node);
    let others = view.remote_candidates(provider).iter();
    let others = others.map(|it| &it.member.id).filter(|id| !has_one(id));
    let (before, behind): (Vec<_>, Vec<_>) = others.partition(|id| *id < own);
    let number = |nodes: &[&NodeId]| u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let live = view.live_members().count();
    Vacancy {
        permits: sum(|it| it.report.concurrency_max),
        busy: sum(|it| it.report.running.saturating_add(it.report.waiting)),
        sharers: number(&before)
            .saturating_add(number(&behind))
            .saturating_add(1),
        rank: number(&before),
        stale_by: late_by(live),
    }
}

fn late_by(members: usize) -> Duration {
    heartbeat_interval(members) * LATE_BY
}
