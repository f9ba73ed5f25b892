//! What has become of messages, counted.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use wrt_contract::{Durations, Instrument, Measured, MeasuredValue};

static PROCESSED: Instrument = Instrument {
    name: "messaging.process.duration",
    unit: "s",
    description: "Messages in the hands of their components.",
};

/// What has become of the messages of a provider's subscriptions since it began to serve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// In hand now.
    pub in_hand: u32,
    /// Calls of handlers that returned ok.
    pub handled: u64,
    /// Attempts that have failed.
    pub failed: u64,
    /// Put back, since their handler did not run.
    pub put_back: u64,
    /// Taken more than once, for whatever reason.
    pub redelivered: u64,
    /// Sent again, and recognised by their ids: they were not stored twice.
    pub duplicates: u64,
    /// Stored as dead letters.
    pub dead_lettered: u64,
    /// Gone without having been handled; replies that nobody waited for any more are among them.
    pub dropped: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub struct DeliveryCounter {
    in_hand: AtomicU32,
    handled: AtomicU64,
    failed: AtomicU64,
    put_back: AtomicU64,
    redelivered: AtomicU64,
    duplicates: AtomicU64,
    dead_lettered: AtomicU64,
    dropped: AtomicU64,
    handled_in: Durations,
    failed_in: Durations,
}

/// A message in hand, for as long as this lives.
#[derive(Debug)]
pub struct InHand<'a>(&'a DeliveryCounter);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Relaxed);
    }
}

impl DeliveryCounter {
    /// One more is in hand.
    pub fn take(&self) -> InHand<'_> {
        self.in_hand.fetch_add(1, Relaxed);
        InHand(self)
    }

    /// A handler returned ok.
    pub fn handled(&self) {
        self.handled.fetch_add(1, Relaxed);
    }

    /// An attempt has failed.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// A message was put back.
    pub fn put_back(&self) {
        self.put_back.fetch_add(1, Relaxed);
    }

    /// A message was taken that had been taken before.
    pub fn redelivered(&self) {
        self.redelivered.fetch_add(1, Relaxed);
    }

    /// A message was sent again, and is there once.
    pub fn duplicate(&self) {
        self.duplicates.fetch_add(1, Relaxed);
    }

    /// A message was stored as a dead letter.
    pub fn dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Relaxed);
    }

    /// A message is gone without having been handled; how many by now.
    pub fn dropped(&self) -> u64 {
        self.dropped.fetch_add(1, Relaxed) + 1
    }

    /// A handler has had a message in hand for so long.
    pub(crate) fn processed(&self, is_handled: bool, took: Duration) {
        match is_handled {
            true => self.handled_in.take(took),
            false => self.failed_in.take(took),
        }
    }

    /// How long handlers had their messages in hand.
    pub(crate) fn measured(&self) -> Vec<Measured> {
        let told = |durations: &Durations| {
            let value = MeasuredValue::Durations(durations.counts()?);
            Some(Measured::new(&PROCESSED, value).with("messaging.operation.name", "process"))
        };
        // The conventions' word for an error that is not told from others.
        let failed = told(&self.failed_in).map(|it| it.with("error.type", "_OTHER"));
        told(&self.handled_in).into_iter().chain(failed).collect()
    }

    /// As of now.
    #[must_use]
    pub fn counts(&self) -> DeliveryCounts {
        DeliveryCounts {
            in_hand: self.in_hand.load(Relaxed),
            handled: self.handled.load(Relaxed),
            failed: self.failed.load(Relaxed),
            put_back: self.put_back.load(Relaxed),
            redelivered: self.redelivered.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            dead_lettered: self.dead_lettered.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }
}
