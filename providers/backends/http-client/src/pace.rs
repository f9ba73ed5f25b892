//! When something last moved.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::{Duration, Instant};

/// The moment at which a connection has taken the head of a request, or a piece of its body; shared
/// between the body and whoever loses patience with the other side.
#[derive(Debug)]
pub(crate) struct Pace {
    origin: Instant,
    /// After the origin; 0 as long as no connection has taken anything.
    last_micros: AtomicU64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            last_micros: AtomicU64::new(0),
        }
    }

    /// When the request was made.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    pub(crate) fn moved(&self) {
        let micros = self.origin.elapsed().as_micros().max(1);
        self.last_micros
            .store(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    /// None before a connection has taken the request.
    pub(crate) fn last(&self) -> Option<Instant> {
        match self.last_micros.load(Relaxed) {
            0 => None,
            micros => Some(self.origin + Duration::from_micros(micros)),
        }
    }
}
