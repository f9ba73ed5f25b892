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
    heartbeat::{Beat, NodeState, Pulse},
    limits::HEARTBEAT_INTERVAL,
};
use wrt_transport::{Inbound, LinkState, Subscription, Transport};

use super::{MembershipError, Shared, asker::Asker, lock, sent::Sender};
use crate::{Observed, ViewChange, Wholes, heartbeat_interval, interval::claimed_interval};

/// Time between two judgements of silence, and between two views when only load changed.
const TICK: Duration = Duration::from_millis(50);
/// The same in a lattice that beats so slowly that as many judgements as that would all be alike.
const TICK_MAX: Duration = Duration::from_millis(100);
/// Judgements of silence for each heartbeat of a node.
const TICKS_PER_INTERVAL: u32 = 5;
/// Time between two judgements while somebody is asked whether it is there.
const TICK_ASKING: Duration = Duration::from_millis(10);
/// How much longer a node that joins waits for whole heartbeats that it has asked for.
const WHOLES_WAIT_MAX: Duration = Duration::from_secs(1);
/// Heartbeats taken in before the view is published and silence may be judged.
const BATCH_MAX: usize = 256;
/// When only load changed, a view is made no sooner than this many times what the last one has cost.
const LOAD_COST_FACTOR: u32 = 20;

pub(super) struct Listener {
    shared: Arc<Shared>,
    heartbeats: Subscription,
    link: watch::Receiver<LinkState>,
    asker: Asker,
    wholes: Wholes,
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
        transport: &Arc<dyn Transport>,
    ) -> Self {
        let subjects = shared.subjects.clone();
        Self {
            asker: Asker::new(Arc::clone(&shared), Arc::clone(transport)),
            wholes: Wholes::new(Arc::clone(transport), subjects),
            shared,
            heartbeats,
            link: transport.link(),
            load_at: Instant::now(),
            open: true,
            told: Mutex::default(),
        }
    }

    /// Listens for two intervals of the slowest beat heard, and for a while until those have answered who were
    /// asked for more; an error as soon as another node has this one's name.
    pub(super) async fn find_namesake(&mut self) -> Result<(), MembershipError> {
        let began = Instant::now();
        let mut slowest = HEARTBEAT_INTERVAL;
        loop {
            let inbound = tokio::select! {
                Some(beat) = self.wholes.next() => {
                    self.take_in(beat);
                    continue;
                }
                heard = timeout_at(began + slowest * 2, self.heartbeats.next()) => match heard {
                    Ok(Some(inbound)) => inbound,
                    Ok(None) | Err(_) => break,
                },
            };
            let Some(beat) = self.read(&inbound) else {
                continue;
            };
            slowest = slowest.max(claimed_interval(beat.pulse.interval_ms));
            if beat.pulse.node != self.shared.options.node {
                self.take_in(beat);
            } else if beat.pulse.state != NodeState::Leaving {
                return Err(MembershipError::NameTaken {
                    node: beat.pulse.node,
                    epoch: beat.pulse.epoch,
                });
            }
        }
        let end = Instant::now() + WHOLES_WAIT_MAX;
        while let Ok(Some(beat)) = timeout_at(end, self.wholes.next()).await {
            self.take_in(beat);
        }
        Ok(())
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
        let (questions, pause) = self.shared.update(threshold, |table, now| {
            table.tick(now, link);
            let questions = table.questions(now);
            let interval = heartbeat_interval(table.live_count());
            let pause = match table.asks() {
                true => TICK_ASKING,
                false => (interval / TICKS_PER_INTERVAL).clamp(TICK, TICK_MAX),
            };
            (questions, pause)
        });
        if threshold == ViewChange::Load {
            self.load_at = began + TICK.max(began.elapsed() * LOAD_COST_FACTOR);
        }
        self.asker.ask(questions);
        Instant::now() + pause
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
                Some(beat) = self.wholes.next() => self.hear_whole(beat),
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
            if let Some(beat) = self.read(&inbound) {
                self.take_in(beat);
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

    /// Takes in a heartbeat that was asked for and those that are there as well, for one view.
    fn hear_whole(&mut self, first: Beat) {
        let mut next = Some(first);
        while let Some(beat) = next {
            self.take_in(beat);
            next = self.wholes.try_next();
        }
        self.shared.update(ViewChange::Membership, |_, _| ());
    }

    fn read(&self, inbound: &Inbound) -> Option<Beat> {
        let counters = &self.shared.counters;
        counters.seen.add_one();
        let beat = match Beat::decode(&inbound.payload) {
            Ok(beat) => beat,
            Err(error) => {
                counters.malformed.add_one();
                tracing::debug!(%error, subject = inbound.subject, "heartbeat is not readable");
                return None;
            }
        };
        // Permissions look at the subject, so a node can speak only for the one that it names.
        if self.shared.subjects.heartbeat(&beat.pulse.node) != inbound.subject {
            counters.malformed.add_one();
            return None;
        }
        Some(beat)
    }

    fn take_in(&mut self, beat: Beat) {
        let Shared {
            options, counters, ..
        } = &*self.shared;
        if beat.pulse.node == options.node {
            self.hear_namesake(&beat.pulse);
            return;
        }
        let is_in_need = beat.is_of_earlier_build() && beat.pulse.sequence == 0;
        let (node, epoch) = (beat.pulse.node.clone(), beat.pulse.epoch);
        let observed = self.shared.observe(beat);
        match observed {
            // It is new here, and understands nothing of what is said until all is said.
            Observed::Applied if is_in_need => self.shared.announce.notify_one(),
            Observed::Applied => {}
            Observed::Gap => {
                counters.gaps.add_one();
                if self.wholes.ask(&node) {
                    counters.wholes_asked.add_one();
                }
            }
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
    fn hear_own_epoch(&self, pulse: &Pulse) {
        let Shared {
            options,
            counters,
            fenced,
            ..
        } = &*self.shared;
        let sender = lock(&self.shared.sent).sender(pulse);
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

    fn hear_namesake(&self, pulse: &Pulse) {
        let Shared {
            options,
            counters,
            fenced,
            ..
        } = &*self.shared;
        if pulse.epoch < options.epoch {
            counters.stale.add_one();
        } else if pulse.epoch == options.epoch {
            self.hear_own_epoch(pulse);
        } else if !fenced.is_cancelled() {
            tracing::error!(
                node = %options.node,
                own_epoch = %options.epoch,
                newer_epoch = %pulse.epoch,
                "a newer incarnation of this node is on the lattice; this one is fenced"
            );
            fenced.cancel();
        }
    }
}
