//! What has become of runs.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Counters of a provider's replica.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) in_hand: AtomicU32,
    /// Came to their end, in whichever way.
    pub(crate) ran: AtomicU64,
    /// Of those, the ones that did not end well.
    pub(crate) failed: AtomicU64,
    pub(crate) missed: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) lost: AtomicU64,
}

impl Counts {
    pub(crate) fn told(&self) -> Vec<(&'static str, u64)> {
        [
            ("ran", &self.ran),
            ("failed", &self.failed),
            ("missed", &self.missed),
            ("skipped", &self.skipped),
            ("lost", &self.lost),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)))
        .into()
    }
}

/// A run in hand.
pub(crate) struct InHand<'a>(&'a Counts);

impl<'a> InHand<'a> {
    pub(crate) fn of(counts: &'a Counts) -> Self {
        counts.in_hand.fetch_add(1, Relaxed);
        Self(counts)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Relaxed);
    }
}
