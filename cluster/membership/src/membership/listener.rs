//! The task that hears the heartbeats of all and judges silence.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use wrt_protocol::{
    Epoch, NodeId,
    heartbeat::{Heartbeat, NodeState},
    limits::HEARTBEAT_INTERVAL,
};
use wrt_transport::{Inbound, LinkState, Subscription};

use super::{MembershipError, Shared, asker::Asker, lock, sent::Sender};
use crate::{Observed, ViewChange, interval::claimed_interval};

/// Time between two judgements of silence, and between two views when only load changed.
const TICK: Duration = Duration::from_millis(50);
/// Time between two judgements while somebody is asked whether it is there.
const TICK_ASKING: Duration = Duration::from_millis(10);
/// Heartbeats taken in before the view is published and silence may be judged.
const BATCH_MAX: usize = 256;

pub(super) struct Listener {
    shared: Arc<Shared>,
    heartbeats: Subscription,
    link: watch::Receiver<LinkState>,
    asker: Asker,
    /// When the view is published next, though only load changed.
    load_at: Instant,
    /// Whether `heartbeats` may still have some; it ends when the transport is closed.
    open: bool,
    /// The older incarnation that was told last.
    told: Mutex<Option<(NodeId, Epoch)>>,
}

impl Listener {
    pub(super) fn new(
        shared: Arc<Shared>,
        heartbeats: Subscription,
        link: watch::Receiver<LinkState>,
        asker: Asker,
    ) -> Self {
        Self {
            shared,
            heartbeats,
            link,
            asker,
            load_at: Instant::now(),
            open: true,
            told: Mutex::default(),
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

    /// Judges silence, and has those asked who are to be; publishes what changed since, from time to time
    /// load as well. Answers when it is due again.
    fn tick(&mut self) -> Instant {
        let link = self.link_since_last_tick();
        let began = Instant::now();
        let threshold = match began >= self.load_at {
            true => ViewChange::Load,
            false => ViewChange::Membership,
        };
        if threshold == ViewChange::Load {
            self.load_at = began + TICK;
        }
        let (questions, asks) = self.shared.update(threshold, |table, now| {
            table.tick(now, link);
            (table.questions(now), table.asks())
        });
        self.asker.ask(questions);
        Instant::now() + if asks { TICK_ASKING } else { TICK }
    }

    /// One that went down and came up in between was down.
    fn link_since_last_tick(&mut self) -> LinkState {
        let has_moved = self.link.has_changed().unwrap_or(true);
        let link = *self.link.borrow_and_update();
        match self.open && !has_moved {
            true => link,
            false => LinkState::Down,
        }
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
                tick_at = self.tick();
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
        let (node, epoch) = (heartbeat.node.clone(), heartbeat.epoch);
        let observed = self.shared.observe(heartbeat);
        match observed {
            Observed::Applied => {}
            Observed::Stale => {
                counters.stale.add_one();
                self.tell_older(node, epoch);
            }
            Observed::Late => counters.late.add_one(),
            Observed::Malformed => counters.malformed.add_one(),
            Observed::Dropped => {
                counters.dropped.add_one();
                tracing::warn!(%node, "no room for another member");
            }
        }
    }

    /// Says once that a node is heard under an older epoch than is known of it.
    fn tell_older(&self, node: NodeId, epoch: Epoch) {
        let view = self.shared.views.load();
        let known = view.member(&node).map(|member| member.epoch);
        let Some(known) = known.filter(|known| *known > epoch) else {
            return;
        };
        let is_told = (node, epoch);
        let mut told = lock(&self.told);
        if told.as_ref() == Some(&is_told) {
            return;
        }
        tracing::warn!(
            node = %is_told.0,
            %epoch,
            newer_epoch = %known,
            "a node is heard under an older epoch than another one of its name had; it is not called \
             while that one may live"
        );
        *told = Some(is_told);
    }

    /// What has this node's name and epoch is its own heartbeat that comes back, or a namesake's.
    fn hear_own_epoch(&self, heartbeat: &Heartbeat) {
        let Shared {
            options,
            counters,
            fenced,
            ..
        } = &*self.shared;
        let sender = lock(&self.shared.sent).sender(heartbeat);
        match sender {
            Sender::Own => lock(&self.shared.table).observe_echo(Instant::now()),
            Sender::Unknown | Sender::NamesakeThatGives => counters.stale.add_one(),
            Sender::NamesakeThatStays if !fenced.is_cancelled() => {
                tracing::error!(
                    node = %options.node,
                    epoch = %options.epoch,
                    "another node has this one's name and epoch; this one is fenced"
                );
                fenced.cancel();
            }
            Sender::NamesakeThatStays => {}
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
            self.hear_own_epoch(heartbeat);
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
