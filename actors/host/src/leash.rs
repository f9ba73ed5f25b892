//! How long an instance may go on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::{Duration, Instant};

/// The moment at which an instance is stopped, shared between the instance and those who see it make
/// progress. Read by the engine's epoch callback, so a guest that never yields is stopped as well.
#[derive(Debug)]
pub struct Leash {
    origin: Instant,
    end_micros: AtomicU64,
}

impl Leash {
    /// An instance that is stopped at `end`.
    #[must_use]
    pub fn until(end: Instant) -> Self {
        let leash = Self {
            origin: Instant::now(),
            end_micros: AtomicU64::new(0),
        };
        leash.move_to(end);
        leash
    }

    /// Moves the end: further away while a body makes progress, or nearer.
    pub fn move_to(&self, end: Instant) {
        let micros = end.saturating_duration_since(self.origin).as_micros();
        self.end_micros
            .store(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    /// The moment at which the instance is stopped.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.origin + Duration::from_micros(self.end_micros.load(Relaxed))
    }

    /// Whether that moment is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end()
    }

    /// Waits for that moment, wherever it is moved meanwhile: a guest that waits is not seen by the
    /// engine's epochs.
    pub async fn over(&self) {
        while !self.is_over() {
            tokio::time::sleep_until(self.end()).await;
        }
    }
}
