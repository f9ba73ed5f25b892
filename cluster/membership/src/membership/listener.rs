//! The task that hears the heartbeats of all and judges silence.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use wrt_protocol::{
    heartbeat::{Heartbeat, NodeState},
    limits::HEARTBEAT_INTERVAL,
};
use wrt_transport::{Inbound, LinkState, Subscription};

use super::{MembershipError, Shared, lock};
use crate::{Observed, ViewChange, interval::claimed_interval};

/// Time between two judgements of silence, and between two views when only load changed.
const TICK: Duration = Duration::from_millis(50);
/// Heartbeats taken in before the view is published and silence may be judged.
const BATCH_MAX: usize = 256;

pub(super) struct Listener {
    shared: Arc<Shared>,
    heartbeats: Subscription,
    link: watch::Receiver<LinkState>,
    /// Whether `heartbeats` may still have some; it ends when the transport is closed.
    open: bool,
}

impl Listener {
    pub(super) fn new(
        shared: Arc<Shared>,
        heartbeats: Subscription,
        link: watch::Receiver<LinkState>,
    ) -> Self {
        Self {
            shared,
            heartbeats,
            link,
            open: true,
        }
    }

    /// Listens for two intervals of the slowest beat heard; an error as soon as another node has
    /// this one's name.
    pub(super) async fn find_namesake(&mut self) -> Result<(), MembershipError> {
        let began = Instant::now();
        let mut slowest = HEARTBEAT_INTERVAL;
        loop {
            let heard = timeout_at(began + slowest * 2, self.heartbeats.next()).await;
            let Ok(Some(inbound)) = heard else {
                return Ok(());
            };
            let Some(heartbeat) = self.read(&inbound) else {
                continue;
            };
            slowest = slowest.max(claimed_interval(heartbeat.interval_ms));
            if heartbeat.node != self.shared.options.node {
                self.take_in(heartbeat);
            } else if heartbeat.state != NodeState::Leaving {
                return Err(MembershipError::NameTaken {
                    node: heartbeat.node,
                    epoch: heartbeat.epoch,
                });
            }
        }
    }

    /// Judges silence; publishes what changed since, load included.
    fn tick(&self) {
        let link = match self.open {
            true => *self.link.borrow(),
            false => LinkState::Down,
        };
        self.shared
            .update(ViewChange::Load, |table, now| table.tick(now, link));
    }

    /// Listens until it is stopped.
    pub(super) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let mut tick_at = Instant::now() + TICK;
        loop {
            // Heartbeats first: after a pause of this node, what it slept through is heard before
            // silence is judged.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                inbound = self.heartbeats.next(), if self.open => match inbound {
                    Some(inbound) => self.hear(inbound),
                    None => self.open = false,
                },
                () = sleep_until(tick_at) => {}
            }
            if Instant::now() >= tick_at {
                self.tick();
                tick_at = Instant::now() + TICK;
            }
        }
    }

    /// Takes in a heartbeat and those that wait behind it, for one view.
    fn hear(&mut self, first: Inbound) {
        let mut inbound = first;
        for taken in 1.. {
            if let Some(heartbeat) = self.read(&inbound) {
                self.take_in(heartbeat);
            }
            if taken == BATCH_MAX {
                break;
            }
            match self.heartbeats.next().now_or_never().flatten() {
                Some(next) => inbound = next,
                None => break,
            }
        }
        self.shared.update(ViewChange::Membership, |_, _| ());
    }

    fn read(&self, inbound: &Inbound) -> Option<Heartbeat> {
        let counters = &self.shared.counters;
        counters.seen.add_one();
        let heartbeat = match Heartbeat::decode(&inbound.payload) {
            Ok(heartbeat) => heartbeat,
            Err(error) => {
                counters.malformed.add_one();
                tracing::debug!(%error, subject = inbound.subject, "heartbeat is not readable");
                return None;
            }
        };
        // Permissions look at the subject, so a node can speak only for the one that it names.
        if self.shared.subjects.heartbeat(&heartbeat.node) != inbound.subject {
            counters.malformed.add_one();
            return None;
        }
        Some(heartbeat)
    }

    fn take_in(&self, heartbeat: Heartbeat) {
        let Shared {
            options, counters, ..
        } = &*self.shared;
        if heartbeat.node == options.node {
            self.hear_namesake(&heartbeat);
            return;
        }
        let node = heartbeat.node.clone();
        let observed = self.shared.observe(heartbeat);
        match observed {
            Observed::Applied => {}
            Observed::Stale => counters.stale.add_one(),
            Observed::Late => counters.late.add_one(),
            Observed::Malformed => counters.malformed.add_one(),
            Observed::Dropped => {
                counters.dropped.add_one();
                tracing::warn!(%node, "no room for another member");
            }
        }
    }

    fn hear_namesake(&self, heartbeat: &Heartbeat) {
        let Shared {
            options,
            counters,
            fenced,
            ..
        } = &*self.shared;
        if heartbeat.epoch < options.epoch {
            counters.stale.add_one();
        } else if heartbeat.epoch == options.epoch {
            lock(&self.shared.table).observe_echo(Instant::now());
        } else if !fenced.is_cancelled() {
            tracing::error!(
                node = %options.node,
                own_epoch = %options.epoch,
                newer_epoch = %heartbeat.epoch,
                "a newer incarnation of this node is on the lattice; this one is fenced"
            );
            fenced.cancel();
        }
    }
}
