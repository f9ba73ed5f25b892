//! Messages that were taken, and that there is no room for yet.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::delivery::{Taken, bytes_of};

/// So many are held at most, and their bytes. The client takes half a second to go on with what was paused: so
/// long there must be something to begin with.
const HELD_MAX: usize = 256;
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) struct Held {
    queue: VecDeque<Taken>,
    bytes: usize,
    most: usize,
    /// When there was room for one last.
    since: Instant,
}

impl Held {
    /// What is handed over at most once is as good as handed over when it is held: of that none is held for
    /// its own sake.
    pub(super) fn none(is_kept: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most: if is_kept { HELD_MAX } else { 0 },
            since: Instant::now(),
        }
    }

    pub(super) fn push(&mut self, taken: Taken) {
        if self.queue.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += bytes_of(&taken);
        self.queue.push_back(taken);
    }

    pub(super) fn first(&self) -> Option<&Taken> {
        self.queue.front()
    }

    /// There is room for the first one.
    pub(super) fn pop(&mut self) -> Option<Taken> {
        self.since = Instant::now();
        let taken = self.queue.pop_front()?;
        self.bytes -= bytes_of(&taken);
        Some(taken)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= self.most || self.bytes >= HELD_BYTES_MAX
    }

    /// Whether more should be on their way.
    pub(super) fn runs_out(&self) -> bool {
        self.queue.len() <= self.most / 2 && self.bytes < HELD_BYTES_MAX
    }

    /// How long there has been no room.
    pub(super) fn waits(&self) -> Duration {
        self.since.elapsed()
    }
}
