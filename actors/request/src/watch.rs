//! Looks after a runtime whose threads may be blocked.
//!
//! What an actor does may keep its thread for long: it computes, decodes much, or blocks. That must hold
//! up nobody else, and could in three ways:
//! - it runs on the task that reads the bus: another task reads on ([`Reading::relieve_if_held_up`]);
//! - its thread is the one that watched the sockets and the clock, and the others sleep: the runtime wakes
//!   none of them for one new task. A task that comes from outside wakes one;
//! - what it has woken last waits for its thread: the transport sends without waiting for that one.
//!
//! A thread and not a task: tasks may be what is held up. It costs those that are not nothing.

use std::{
    io,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor, RuntimeMetrics};
use wrt_transport::Transport;

use crate::{counters::ExchangeCounters, listen::Reading};

/// Time between two looks. What keeps its thread from one to the next holds others up.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const THREAD: &str = "wrt-watch";

/// Watches until it is dropped.
pub(crate) struct Watch {
    watched: Arc<Watched>,
    /// Ends the thread, at its next look.
    _stop: SyncSender<()>,
}

struct Watched {
    runtime: Handle,
    transport: Arc<dyn Transport>,
    readings: Mutex<Vec<Weak<Reading>>>,
    counters: Arc<ExchangeCounters>,
}

impl Watch {
    /// Watches the runtime that this runs in. One of a single thread has none that could go on.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(
        transport: Arc<dyn Transport>,
        counters: Arc<ExchangeCounters>,
    ) -> io::Result<Self> {
        let runtime = Handle::current();
        let is_single = runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        let watched = Arc::new(Watched {
            runtime,
            transport,
            readings: Mutex::default(),
            counters,
        });
        let (stop, stopped) = sync_channel(0);
        if !is_single {
            let watched = Arc::clone(&watched);
            let watching = move || watched.watch(&stopped);
            thread::Builder::new().name(THREAD.into()).spawn(watching)?;
        }
        Ok(Self {
            watched,
            _stop: stop,
        })
    }

    /// Watches over who reads it, for as long as somebody does.
    pub(crate) fn over(&self, reading: &Arc<Reading>) {
        self.watched.readings.lock().push(Arc::downgrade(reading));
    }
}

impl Watched {
    fn watch(&self, stopped: &Receiver<()>) {
        // Whatever is let go of here may belong to the runtime.
        let _inside = self.runtime.enter();
        let mut workers = Workers::of(self.runtime.metrics());
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            self.look(&mut workers);
        }
    }

    fn look(&self, workers: &mut Workers) {
        self.readings.lock().retain(|reading| {
            let Some(reading) = reading.upgrade() else {
                return false;
            };
            if reading.relieve_if_held_up(&self.runtime) {
                self.counters.relieved.add_one();
            }
            true
        });
        if workers.one_is_long_at_work() {
            // It comes from outside, and wakes a worker that sleeps: which finds what waits for the other
            // one, and then watches the sockets.
            self.runtime.spawn(async {});
            self.transport.relieve();
        }
    }
}

/// The threads of a runtime.
struct Workers {
    metrics: RuntimeMetrics,
    /// What each has counted when it was last looked at.
    seen: Vec<u64>,
}

impl Workers {
    fn of(metrics: RuntimeMetrics) -> Self {
        let seen = vec![u64::MAX; metrics.num_workers()];
        Self { metrics, seen }
    }

    /// Whether one has not slept since the last look. It may only be busy; then what is done for that
    /// costs little.
    fn one_is_long_at_work(&mut self) -> bool {
        let mut found = false;
        for (worker, seen) in self.seen.iter_mut().enumerate() {
            // Grows with each falling asleep and with each awaking.
            let now = self.metrics.worker_park_unpark_count(worker);
            found |= now.is_multiple_of(2) && now == *seen;
            *seen = now;
        }
        found
    }
}
