//! The clock of the engines' epochs.

use std::{
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::ComponentError;

/// Time between two epochs: how long a guest computes before it lets others run, and how much later
/// than its wall time it may be stopped.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

const THREAD: &str = "wrt-epochs";

/// Ticks until it is dropped. A thread and not a task: guests that compute may hold every worker of
/// the async runtime, and they are whom the tick is for.
pub(crate) struct Ticker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` after each [`EPOCH`].
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> Result<Self, ComponentError> {
        let (stop, stopped) = sync_channel(0);
        let ticking = move || {
            while stopped.recv_timeout(EPOCH) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
        };
        let thread = thread::Builder::new()
            .name(THREAD.into())
            .spawn(ticking)
            .map_err(|source| ComponentError::Thread {
                thread: THREAD,
                source,
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It sleeps on the channel that was just closed, so that this waits for no tick.
            let _ended = thread.join();
        }
    }
}
