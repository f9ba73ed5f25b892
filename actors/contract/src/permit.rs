//! Leave to run one call.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::{Notify, Semaphore};

/// What a gate and its permits share: how many may run, and whether somebody waits for those to end.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Semaphore,
    is_draining: AtomicBool,
    released: Notify,
}

impl Permits {
    pub(crate) fn new(concurrency_max: u32) -> Arc<Self> {
        Arc::new(Self {
            free: Semaphore::new(concurrency_max as usize),
            is_draining: AtomicBool::new(false),
            released: Notify::new(),
        })
    }

    /// Those that nobody has.
    pub(crate) fn free(&self) -> &Semaphore {
        &self.free
    }

    pub(crate) fn start_draining(&self) {
        self.is_draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Relaxed)
    }

    /// Told of each release while it drains.
    pub(crate) fn released(&self) -> &Notify {
        &self.released
    }
}

/// Leave to run one call; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    of: Arc<Permits>,
}

impl Permit {
    /// Of `of`, from which it has been taken.
    pub(crate) fn taken(of: &Arc<Permits>) -> Self {
        Self { of: Arc::clone(of) }
    }

    /// Whether it is of the gate with those.
    pub(crate) fn is_of(&self, gate: &Arc<Permits>) -> bool {
        Arc::ptr_eq(&self.of, gate)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.free.add_permits(1);
        if self.of.is_draining() {
            self.of.released.notify_waiters();
        }
    }
}
