//! Waiting for a condition, with a limit.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a poll rests between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// An instant after which nobody waits any longer.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    /// Starts the clock.
    pub fn after(limit: Duration) -> Self {
        Self {
            start: Instant::now(),
            limit,
        }
    }

    /// The limit that it was made with.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        self.start.elapsed() >= self.limit
    }

    /// Looks at a condition until it holds, and at least once; `None` when the time is over.
    ///
    /// The condition is level-triggered: it asks for a state, so it does not matter when the state
    /// was reached. Blocks the thread; async code polls with its own clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that rests between two looks"
    )]
    pub fn poll<T>(&self, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = condition() {
                return Some(found);
            }
            if self.is_over() {
                return None;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_once_even_without_time() {
        assert_eq!(Deadline::after(Duration::ZERO).poll(|| Some(1)), Some(1));
        assert_eq!(Deadline::after(Duration::ZERO).poll(|| None::<u8>), None);
    }

    #[test]
    fn looks_until_the_condition_holds() {
        let mut looks = 0;
        let found = Deadline::after(Duration::from_secs(10)).poll(|| {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, Some(3));
    }
}
