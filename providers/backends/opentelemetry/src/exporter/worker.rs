//! Sends what waits, batch after batch.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    BATCH_BYTES_MAX, FLUSHED_WITHIN, RETRIED_FOR,
    outcome::Failed,
    queue::{Item, Next, Queue},
    signal::{self, Signal},
    way::Way,
};

/// The first pause before another attempt, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The one who sends the records of a signal. It lives until its queue is closed and empty.
pub(crate) struct Worker<S: Signal> {
    pub(crate) queue: Arc<Queue<S>>,
    pub(crate) way: Way,
    pub(crate) delay: Duration,
    pub(crate) batch_max: usize,
}

impl<S: Signal> Worker<S> {
    pub(crate) async fn run(self) {
        let mut due = None;
        // Known as soon as it is closed.
        let mut end = None;
        loop {
            if self.queue.is_closed() {
                end.get_or_insert_with(|| Instant::now() + FLUSHED_WITHIN);
            }
            match self.queue.next((self.batch_max, BATCH_BYTES_MAX), due) {
                Next::Send(batch) => {
                    self.send(batch, &mut end).await;
                    // Of what is left nobody tells again.
                    due = Some(Instant::now() + self.delay);
                }
                // Nothing waits.
                Next::Wait(None) => {
                    self.queue.changed().await;
                    due = Some(Instant::now() + self.delay);
                }
                Next::Wait(Some(at)) => {
                    let _due_or_changed = timeout_at(at, self.queue.changed()).await;
                }
                Next::End => return,
            }
        }
    }

    /// Tries until it is taken or refused, or for too long.
    async fn send(&self, batch: Vec<Item<S>>, end: &mut Option<Instant>) {
        let count = batch.len();
        let request = signal::request(batch);
        let gives_up = Instant::now() + RETRIED_FOR;
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            let gives_up = end.map_or(gives_up, |end| end.min(gives_up));
            let attempt = timeout_at(gives_up, self.way.send::<S>(request.clone())).await;
            let failed = match attempt {
                Ok(Ok(refused)) => return self.taken(count, refused),
                Ok(Err(failed)) => failed,
                Err(_elapsed) => Failed::away("no answer in time"),
            };
            let (why, after) = match failed {
                Failed::Retry { why, after } => (why, after),
                Failed::Refused(why) => return self.refused(count, &why),
            };
            let pause = after.or_else(|| pauses.next()).unwrap_or(PAUSE_MAX);
            let again = Instant::now() + pause;
            if again >= gives_up {
                tracing::debug!(signal = S::NAME, count, "given up: {why}");
                return self.queue.lose(count);
            }
            tracing::debug!(signal = S::NAME, count, ?pause, "not sent: {why}");
            self.pause(again, end).await;
            self.queue.tally.retried.fetch_add(1, Relaxed);
        }
    }

    /// Waits until `again`. Where the queue is closed meanwhile, the time for all that waits begins.
    async fn pause(&self, again: Instant, end: &mut Option<Instant>) {
        loop {
            if self.queue.is_closed() {
                end.get_or_insert_with(|| Instant::now() + FLUSHED_WITHIN);
                return sleep_until(again).await;
            }
            if timeout_at(again, self.queue.changed()).await.is_err() {
                return;
            }
        }
    }

    fn taken(&self, count: usize, refused: Option<(i64, String)>) {
        let mut rejected = 0;
        if let Some((number, why)) = refused {
            rejected = u64::try_from(number).unwrap_or(0);
            let (signal, why) = (S::NAME, why.escape_debug());
            match rejected {
                0 if why.clone().next().is_none() => {}
                0 => tracing::warn!(signal, "the collector says: {why}"),
                _ => tracing::warn!(signal, rejected, "the collector does not take all: {why}"),
            }
        }
        self.queue.tally.rejected.fetch_add(rejected, Relaxed);
        let sent = (count as u64).saturating_sub(rejected);
        self.queue.tally.sent.fetch_add(sent, Relaxed);
    }

    fn refused(&self, count: usize, why: &str) {
        let before = self.queue.tally.rejected.fetch_add(count as u64, Relaxed);
        let after = before + count as u64;
        if after.checked_ilog2() != before.checked_ilog2() {
            let signal = S::NAME;
            tracing::warn!(signal, rejected = after, "the collector refuses: {why}");
        }
    }
}
