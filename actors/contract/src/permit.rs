//! Leave to run one call.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What a gate and its permits share: whether somebody waits for the permits to come back.
#[derive(Debug, Default)]
pub(crate) struct Draining {
    is_draining: AtomicBool,
    released: Notify,
}

impl Draining {
    pub(crate) fn start(&self) {
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
    of: Arc<Draining>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) fn new(of: &Arc<Draining>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            of: Arc::clone(of),
            permit: Some(permit),
        }
    }

    /// Whether it is of the gate with that part.
    pub(crate) fn is_of(&self, gate: &Arc<Draining>) -> bool {
        Arc::ptr_eq(&self.of, gate)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        drop(self.permit.take());
        if self.of.is_draining() {
            self.of.released.notify_waiters();
        }
    }
}
