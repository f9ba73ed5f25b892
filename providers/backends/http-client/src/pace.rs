//! When something last moved.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::{Duration, Instant};

/// The moment at which a piece of a body last went through, shared between the body and whoever loses
/// patience with the other side.
#[derive(Debug)]
pub(crate) struct Pace {
    origin: Instant,
    last_micros: AtomicU64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            last_micros: AtomicU64::new(0),
        }
    }

    pub(crate) fn moved(&self) {
        let micros = self.origin.elapsed().as_micros();
        self.last_micros
            .store(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.origin + Duration::from_micros(self.last_micros.load(Relaxed))
    }
}
