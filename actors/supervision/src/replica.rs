//! The replica's actor.
//!
//! ```text
//!            +--- attempt fails: wait ---+
//!            v                           |
//! starting ──┴─ attempt ── succeeds ──> ready ── probe fails ──> failing ── wait ── attempt ...
//!                 |           ^           |                          ^
//!                 |           +── run ────+ (the old one goes on     |
//!                 |                          until the new one is ready)
//!                 +── fails for long, or for good ───────────────────+
//! any ── stop ──> draining ──> gone
//! ```

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{self, Instant},
};
use tracing::{info, warn};
use wrt_contract::Gate;
use wrt_protocol::heartbeat::ReplicaState;

use crate::{
    Close, Probe, Running, Start, StartError, SupervisionOptions, backoff::Backoff, board::Post,
};

/// How long a replica may take to send what it holds, after its last call: what is left of its patience, within
/// these.
const CLOSE_MIN: Duration = Duration::from_millis(500);
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// The behaviour; what it knows is in [`ReplicaData`].
pub(crate) struct Replica;

pub(crate) struct ReplicaArguments {
    pub(crate) post: Arc<Post>,
    pub(crate) start: Arc<dyn Start>,
    pub(crate) options: SupervisionOptions,
}

pub(crate) enum ReplicaMessage {
    /// Start this instead, and go on with what there is until it is up.
    Replace(Arc<dyn Start>),
    /// Time to try.
    Attempt { generation: u64 },
    /// The attempt is over.
    Started {
        generation: u64,
        result: Result<Running, StartError>,
    },
    /// A probe is over.
    Probed {
        generation: u64,
        result: Result<(), String>,
    },
    /// Drain, answer, and stop.
    Stop {
        patience: Duration,
        done: oneshot::Sender<()>,
    },
}

pub(crate) struct ReplicaData {
    post: Arc<Post>,
    start: Arc<dyn Start>,
    options: SupervisionOptions,
    backoff: Backoff,
    probe: Option<Probe>,
    close: Option<Close>,
    /// Since when it is starting; none once it has run, or counts as failing.
    starting_since: Option<Instant>,
    /// The attempt to start that is made, or waited for.
    attempt: Job,
    /// The probe that is made, or waited for. Apart from attempts, so that what runs is still probed
    /// while what is to replace it does not start.
    probing: Job,
    /// Gates of what was replaced or failed.
    drains: JoinSet<()>,
}

impl Actor for Replica {
    type Msg = ReplicaMessage;
    type State = ReplicaData;
    type Arguments = ReplicaArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ReplicaMessage>,
        arguments: ReplicaArguments,
    ) -> Result<ReplicaData, ActorProcessingErr> {
        let ReplicaArguments {
            post,
            start,
            options,
        } = arguments;
        let backoff = Backoff::new(&options, post.actor());
        let mut data = ReplicaData {
            post,
            start,
            options,
            backoff,
            probe: None,
            close: None,
            starting_since: Some(Instant::now()),
            attempt: Job::default(),
            probing: Job::default(),
            drains: JoinSet::new(),
        };
        data.attempt(&myself);
        Ok(data)
    }

    async fn handle(
        &self,
        myself: ActorRef<ReplicaMessage>,
        message: ReplicaMessage,
        data: &mut ReplicaData,
    ) -> Result<(), ActorProcessingErr> {
        while data.drains.try_join_next().is_some() {}
        match message {
            ReplicaMessage::Replace(start) => {
                data.start = start;
                data.starts_anew();
                data.attempt(&myself);
            }
            ReplicaMessage::Attempt { generation } if data.attempt.is(generation) => {
                data.attempt(&myself);
            }
            ReplicaMessage::Started { generation, result } if data.attempt.is(generation) => {
                data.started(&myself, result);
            }
            ReplicaMessage::Probed { generation, result } if data.probing.is(generation) => {
                data.probed(&myself, result);
            }
            ReplicaMessage::Attempt { .. }
            | ReplicaMessage::Started { .. }
            | ReplicaMessage::Probed { .. } => {}
            ReplicaMessage::Stop { patience, done } => {
                data.stop(patience).await;
                // Whoever asked may have gone away.
                let _asked = done.send(());
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl ReplicaData {
    /// What went wrong with another start says nothing of this one.
    fn starts_anew(&mut self) {
        if !self.post.is_serving() {
            self.post.set_state(ReplicaState::Starting);
            self.starting_since = Some(Instant::now());
        }
    }

    /// Shows that it did not start. Reasons that pass do so soon: until then calls wait for it.
    fn did_not_start(&mut self, error: &StartError) {
        // A replacement that does not start leaves what it was to replace alone.
        if self.post.is_serving() {
            return;
        }
        let is_new = |since: Instant| since.elapsed() < self.options.starting_max;
        let may_pass = matches!(error, StartError::Transient(_));
        if !(may_pass && self.starting_since.is_some_and(is_new)) {
            self.starting_since = None;
            self.post.set_state(ReplicaState::Failing);
        }
    }

    fn attempt(&mut self, myself: &ActorRef<ReplicaMessage>) {
        let start = Arc::clone(&self.start);
        let time_max = self.options.start_time_max;
        self.attempt
            .take_up(myself, Duration::ZERO, move |generation| async move {
                let attempt = time::timeout(time_max, start.start());
                let result = match AssertUnwindSafe(attempt).catch_unwind().await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_elapsed)) => Err(StartError::Transient(
                        format!("no result after {time_max:?}").into(),
                    )),
                    Err(panic) => Err(StartError::Refused(panic_text(&*panic).into())),
                };
                ReplicaMessage::Started { generation, result }
            });
    }

    fn started(&mut self, myself: &ActorRef<ReplicaMessage>, result: Result<Running, StartError>) {
        let actor = self.post.actor().clone();
        let error = match result {
            Ok(running) => {
                info!(%actor, "ready");
                self.backoff.ready();
                self.starting_since = None;
                self.probe.clone_from(&running.probe);
                let before = std::mem::replace(&mut self.close, running.close.clone());
                if let Some(replaced) = self.post.offer(&running) {
                    replaced.start_draining();
                    self.drain(replaced, before);
                }
                self.probe_later(myself);
                return;
            }
            Err(error) => error,
        };
        let delay = match &error {
            StartError::Transient(_) => self.backoff.failed(),
            StartError::Refused(_) => self.options.backoff_refused,
        };
        warn!(%actor, error = &error as &dyn std::error::Error, ?delay, "did not start");
        self.did_not_start(&error);
        self.attempt_after(myself, delay);
    }

    fn probed(&mut self, myself: &ActorRef<ReplicaMessage>, result: Result<(), String>) {
        let Err(reason) = result else {
            self.probe_later(myself);
            return;
        };
        let delay = self.backoff.failed();
        warn!(actor = %self.post.actor(), reason, ?delay, "failed its probe");
        if let Some(gate) = self.post.withdraw(ReplicaState::Failing) {
            let close = self.close.take();
            self.drain(gate, close);
        }
        // Unless what is to replace it is being started anyhow.
        if self.attempt.is_over() {
            self.attempt_after(myself, delay);
        }
    }

    async fn stop(&mut self, patience: Duration) {
        self.attempt.give_up().await;
        self.probing.give_up().await;
        let end = Instant::now() + patience;
        if let Some(gate) = self.post.withdraw(ReplicaState::Draining) {
            let drained = gate.drain(patience).await;
            if !drained {
                let load = gate.load();
                warn!(actor = %self.post.actor(), running = load.running, "stopped before it was idle");
            }
        }
        close_by(self.close.take(), end).await;
        self.drains.shutdown().await;
    }

    fn attempt_after(&mut self, myself: &ActorRef<ReplicaMessage>, delay: Duration) {
        self.attempt
            .take_up(myself, delay, |generation| async move {
                ReplicaMessage::Attempt { generation }
            });
    }

    fn probe_later(&mut self, myself: &ActorRef<ReplicaMessage>) {
        let Some(probe) = self.probe.clone() else {
            return;
        };
        let time_max = self.options.probe_time_max;
        self.probing.take_up(
            myself,
            self.options.probe_interval,
            move |generation| async move {
                let asked = async { probe().await };
                let asked = AssertUnwindSafe(time::timeout(time_max, asked)).catch_unwind();
                let result = match asked.await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_elapsed)) => Err(format!("no answer after {time_max:?}")),
                    Err(panic) => Err(panic_text(&*panic)),
                };
                ReplicaMessage::Probed { generation, result }
            },
        );
    }

    fn drain(&mut self, gate: Arc<Gate>, close: Option<Close>) {
        let patience = self.options.replaced_patience;
        self.drains.spawn(async move {
            let end = Instant::now() + patience;
            gate.drain(patience).await;
            close_by(close, end).await;
        });
    }
}

/// Has it send what it holds, by `end` if that leaves it time.
async fn close_by(close: Option<Close>, end: Instant) {
    let Some(close) = close else { return };
    let left = end.saturating_duration_since(Instant::now());
    let closing = AssertUnwindSafe(async { close().await }).catch_unwind();
    match time::timeout(left.clamp(CLOSE_MIN, CLOSE_MAX), closing).await {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => warn!(reason = panic_text(&*panic), "a replica's end failed"),
        Err(_elapsed) => warn!("what a replica held for its service was not sent in time"),
    }
}

/// One job or timer at a time, which ends with a message. Aborted when dropped.
#[derive(Default)]
struct Job {
    /// Counts jobs, so that the answer of one that was given up is not taken for the answer of the
    /// one in hand.
    generation: u64,
    task: JoinSet<()>,
}

impl Job {
    fn is(&self, generation: u64) -> bool {
        self.generation == generation
    }

    fn is_over(&mut self) -> bool {
        while self.task.try_join_next().is_some() {}
        self.task.is_empty()
    }

    /// Gives up the job in hand for another, which begins after `delay`.
    fn take_up<F>(
        &mut self,
        myself: &ActorRef<ReplicaMessage>,
        delay: Duration,
        job: impl FnOnce(u64) -> F + Send + 'static,
    ) where
        F: Future<Output = ReplicaMessage> + Send,
    {
        self.generation += 1;
        self.task.abort_all();
        while self.task.try_join_next().is_some() {}
        let (myself, generation) = (myself.clone(), self.generation);
        self.task.spawn(async move {
            if !delay.is_zero() {
                time::sleep(delay).await;
            }
            // The actor aborts this when it stops, so that there is somebody to tell.
            let _told = myself.send_message(job(generation).await);
        });
    }

    async fn give_up(&mut self) {
        self.generation += 1;
        self.task.shutdown().await;
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("no reason"))
}
