//! From what is desired and who is there to what runs here: over and over, from the levels and not
//! from events.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};
use wrt_deployment::{Digest, Placement, Snapshot};
use wrt_membership::View;
use wrt_protocol::{ActorAddress, NodeId};
use wrt_request::Seat;
use wrt_supervision::Supervision;

use super::{
    Parts,
    decided::Decided,
    desired::{Applied, wanted},
    handover,
};
use crate::catalog::chain;

/// Looks without being told: a wish that failed is made again.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long after it has joined a node takes it that it may not have heard of everyone yet: nodes that
/// are started together come within seconds of each other.
const SETTLING_TIME: Duration = Duration::from_secs(5);
/// How long a replica that moves elsewhere waits for its successor to be ready.
const HANDOVER_WAIT_MAX: Duration = Duration::from_secs(60);

/// Keeps what runs on this node equal to its share.
pub(crate) struct Reconciler {
    node: NodeId,
    patience: Duration,
    parts: Arc<Parts>,
    seat: Seat,
    supervision: Arc<OnceLock<Supervision>>,
    applied: Arc<Applied>,
    /// What runs, by what it is made of.
    running: BTreeMap<ActorAddress, Digest>,
    /// What runs here and belongs elsewhere, since when.
    leaving: BTreeMap<ActorAddress, Instant>,
    stops: JoinSet<ActorAddress>,
    settles: Instant,
    decided: Decided,
    /// What it has gone through last.
    gone_through: Option<Arc<Snapshot>>,
    /// When it goes through its share without being told.
    look_at: Instant,
}

impl Reconciler {
    pub(crate) fn new(
        node: NodeId,
        patience: Duration,
        parts: Arc<Parts>,
        seat: Seat,
        supervision: Arc<OnceLock<Supervision>>,
        applied: Arc<Applied>,
    ) -> Self {
        Self {
            node,
            patience,
            parts,
            seat,
            supervision,
            applied,
            running: BTreeMap::new(),
            leaving: BTreeMap::new(),
            stops: JoinSet::new(),
            settles: Instant::now() + SETTLING_TIME,
            decided: Decided::default(),
            gone_through: None,
            look_at: Instant::now(),
        }
    }

    /// Reconciles for ever.
    pub(crate) async fn run(mut self, mut desires: watch::Receiver<Option<Arc<Snapshot>>>) {
        let mut views = self.seat.membership.changes();
        loop {
            let snapshot = desires.borrow_and_update().clone();
            views.borrow_and_update();
            // Also while nothing is desired: a time that is over is waited for by nobody.
            let is_due = Instant::now() >= self.look_at;
            if is_due {
                self.look_at = Instant::now() + LOOK_INTERVAL;
            }
            if let Some(snapshot) = snapshot
                && self.reconcile(&snapshot, is_due)
            {
                // Where one decision costs much, several changes are taken together.
                tokio::time::sleep(self.decided.pause()).await;
            }
            tokio::select! {
                changed = desires.changed() => if changed.is_err() { return },
                changed = views.changed() => if changed.is_err() { return },
                Some(stopped) = self.stops.join_next() => {
                    self.stopped(stopped.ok());
                    self.look_at = Instant::now();
                }
                () = tokio::time::sleep_until(self.look_at) => {}
            }
        }
    }

    /// Answers whether it was worked out anew where everything goes.
    fn reconcile(&mut self, snapshot: &Arc<Snapshot>, is_due: bool) -> bool {
        let view = self.seat.membership.view();
        // A node that doubts its own hearing must not take over what may well be alive.
        if view.is_isolated() {
            return false;
        }
        let (placement, is_decided) = self.decided.placement(snapshot, &view);
        let gone_through = self.gone_through.as_ref();
        let is_desired = !gone_through.is_some_and(|it| Arc::ptr_eq(it, snapshot));
        let share: BTreeSet<_> = placement.share(&self.node).cloned().collect();
        if is_decided || is_desired || is_due {
            self.seat.path.set_expected(self.expected(&placement));
            for actor in &share {
                self.keep(actor, snapshot);
            }
            self.gone_through = Some(Arc::clone(snapshot));
        }
        let others: Vec<_> = self
            .running
            .keys()
            .filter(|actor| !share.contains(*actor))
            .cloned()
            .collect();
        for actor in others {
            if self.may_stop(&actor, snapshot, &placement, &view) {
                self.stop(actor);
            }
        }
        self.applied.set(snapshot);
        is_decided
    }

    /// Runs an actor as it is desired now.
    fn keep(&mut self, actor: &ActorAddress, snapshot: &Snapshot) {
        self.leaving.remove(actor);
        let Some(stored) = snapshot.apps.get(&actor.app) else {
            return;
        };
        let Some(wanted) = wanted(&stored.app, actor, &self.parts) else {
            return;
        };
        if self.running.get(actor) == Some(&wanted.specification) {
            return;
        }
        let Some(supervision) = self.supervision.get() else {
            return;
        };
        self.parts.attempts.want(actor, wanted.specification);
        match supervision.run(actor.clone(), wanted.start) {
            Ok(()) => {
                tracing::info!(%actor, "runs here");
                self.running.insert(actor.clone(), wanted.specification);
                // Callers wait for a replica that they know is starting.
                self.seat.membership.announce_now();
            }
            Err(error) => tracing::error!(%actor, error = chain(&error), "cannot run here"),
        }
    }

    /// Whether what runs here and belongs elsewhere may go: at once when nobody wants it any more,
    /// and otherwise when its successors are ready, so that a move interrupts nothing.
    /// What somebody is about to serve: what has a place, and at first also what has none, because the
    /// node that it would go to may be the next to come.
    fn expected(&self, placement: &Placement) -> HashSet<ActorAddress> {
        let mut expected: HashSet<_> = placement.shares.values().flatten().cloned().collect();
        if Instant::now() < self.settles {
            expected.extend(placement.shortages.iter().map(|it| it.actor.clone()));
        }
        expected
    }

    fn may_stop(
        &mut self,
        actor: &ActorAddress,
        snapshot: &Snapshot,
        placement: &Placement,
        view: &View,
    ) -> bool {
        // It is there, and nobody here can say what it is.
        if snapshot.held.contains_key(actor.app.as_str()) && !snapshot.apps.contains_key(&actor.app)
        {
            return false;
        }
        let Some(rule) = handover::rule(snapshot, actor) else {
            return true;
        };
        // Its successor waits for this one's lease.
        if rule.exclusive && handover::is_awaited(actor, placement, view) {
            return true;
        }
        let since = *self
            .leaving
            .entry(actor.clone())
            .or_insert_with(Instant::now);
        // Who empties a node waits, and says for what: nothing is given up for it that nobody else serves.
        let is_emptied = snapshot.cordons.of(&self.node).is_some();
        handover::has_moved(actor, placement, view)
            || (since.elapsed() > HANDOVER_WAIT_MAX && !is_emptied)
    }

    fn stop(&mut self, actor: ActorAddress) {
        tracing::info!(%actor, "does not run here any more");
        self.running.remove(&actor);
        self.leaving.remove(&actor);
        let (supervision, patience) = (Arc::clone(&self.supervision), self.patience);
        self.stops.spawn(async move {
            if let Some(supervision) = supervision.get() {
                supervision.stop(&actor, patience).await;
            }
            actor
        });
    }

    fn stopped(&self, actor: Option<ActorAddress>) {
        // Wanted again meanwhile: then it is the new one's.
        let Some(actor) = actor.filter(|actor| !self.running.contains_key(actor)) else {
            return;
        };
        self.seat.exchange.unhost(&actor);
        self.parts.attempts.forget(&actor);
    }
}
