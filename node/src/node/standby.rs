//! Code of what this node would get next, made ready while nothing else is to be done: a component whose
//! only node is lost does not wait for a compiler.
//!
//! Each actor has one next node, so that code is compiled once more than it has to be and no oftener.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use wrt_deployment::{Digest, PlacedMember, Snapshot, next_for};
use wrt_membership::View;
use wrt_protocol::{ActorKind, NodeId, heartbeat::ReplicaState};
use wrt_request::Seat;

use super::{Parts, handover};
use crate::{catalog::chain, code::MadeReady};

/// Time between two looks at whether something has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// For how long nothing must have changed: what is being deployed, and moves, goes first.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Pause before what did not succeed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Keeps the code ready of what this node would get next.
pub(super) struct Standby {
    pub(super) node: NodeId,
    pub(super) parts: Arc<Parts>,
    pub(super) seat: Seat,
}

/// What it goes by.
struct Basis {
    snapshot: Arc<Snapshot>,
    members: Vec<PlacedMember>,
}

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot) && self.members == other.members
    }
}

impl Standby {
    /// Goes on for ever.
    pub(super) async fn run(self, desires: watch::Receiver<Option<Arc<Snapshot>>>) {
        let mut known: Option<Basis> = None;
        let mut due = Some(Instant::now());
        loop {
            sleep(LOOK_INTERVAL).await;
            let view = self.seat.membership.view();
            let snapshot = desires.borrow().clone();
            let basis = snapshot.map(|snapshot| Basis {
                members: handover::members(&snapshot, &view),
                snapshot,
            });
            if basis != known || view.is_isolated() || self.is_starting(&view) {
                known = basis;
                due = Some(Instant::now() + SETTLED_AFTER);
            } else if let Some(basis) = &known
                && due.is_some_and(|due| Instant::now() >= due)
            {
                let all_are_ready = self.make_ready(basis).await;
                due = (!all_are_ready).then(|| Instant::now() + AGAIN_AFTER);
            }
        }
    }

    /// Whether this node has something to start that is wanted now.
    fn is_starting(&self, view: &View) -> bool {
        let own = view.member(&self.node);
        own.is_some_and(|own| {
            let mut replicas = own.replicas.iter();
            replicas.any(|replica| replica.state == ReplicaState::Starting)
        })
    }

    /// One after the other. Answers whether all are.
    async fn make_ready(&self, basis: &Basis) -> bool {
        let mut all_are_ready = true;
        for digest in self.next(basis) {
            let began = Instant::now();
            match self
                .parts
                .code
                .make_ready(&self.parts.engines, digest)
                .await
            {
                Ok(MadeReady::Now) => tracing::info!(
                    %digest,
                    millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "code is ready that this node would run next"
                ),
                Ok(MadeReady::Before | MadeReady::NotKept) => {}
                Err(error) => {
                    let error = chain(&error);
                    tracing::debug!(%digest, error, "code is not ready for what this node would run next");
                    all_are_ready = false;
                }
            }
        }
        all_are_ready
    }

    /// The code of what this node would get next.
    fn next(&self, basis: &Basis) -> BTreeSet<Digest> {
        let apps = &basis.snapshot.apps;
        let actors = next_for(
            apps.values().map(|stored| &stored.app),
            &basis.members,
            &self.node,
        );
        let components = actors.iter().filter(|it| it.kind == ActorKind::Component);
        let digest = |app, name| Some(apps.get(app)?.app.components.get(name)?.digest);
        components
            .filter_map(|actor| digest(&actor.app, &actor.name))
            .collect()
    }
}
