//! What is measured, and how it is told: the one form from which every exporter makes its own.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What is measured: in the words of the semantic conventions, where they have some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instrument {
    /// Its name, `http.server.request.duration`.
    pub name: &'static str,
    /// What it is measured in, as UCUM writes it: `s`, `By`, `{call}`.
    pub unit: &'static str,
    /// What it is, for people.
    pub description: &'static str,
}

/// An instrument's value for one set of attributes. Whoever makes one sees to it that there are few sets: what
/// comes from outside, a path or a topic, is no attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Of what.
    pub instrument: &'static Instrument,
    /// For which set.
    pub attributes: Vec<(&'static str, String)>,
    /// The value.
    pub value: MeasuredValue,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum MeasuredValue {
    /// How many so far: it never falls.
    Total(u64),
    /// How much time so far: it never falls.
    TotalTime(Duration),
    /// How many now.
    Level(u64),
    /// How long it took, each time.
    Durations(DurationCounts),
}

impl Measured {
    /// The value of an instrument that has no attributes yet.
    #[must_use]
    pub fn new(instrument: &'static Instrument, value: MeasuredValue) -> Self {
        Self {
            instrument,
            attributes: Vec::new(),
            value,
        }
    }

    /// With an attribute more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

/// The upper bounds of the buckets but the last, in microseconds. From 5 ms on they are those that the semantic
/// conventions advise; a call within a node is over long before.
const BOUNDS_MICROS: [u64; 17] = [
    10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000,
    1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000,
];
const BUCKETS: usize = BOUNDS_MICROS.len() + 1;

/// A histogram of durations. To take one in costs two additions, and no lock.
#[derive(Debug)]
pub struct Durations {
    buckets: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

/// What a [`Durations`] has taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationCounts {
    /// How many fell into each bucket.
    pub buckets: [u64; BUCKETS],
    /// How long all of them took together.
    pub sum: Duration,
}

impl Durations {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_nanos: AtomicU64::new(0),
        }
    }

    /// Takes one in.
    pub fn take(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|micros| micros * 1_000 < nanos);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// What it has taken in so far; nothing where it is empty.
    #[must_use]
    pub fn counts(&self) -> Option<DurationCounts> {
        let counts = DurationCounts {
            buckets: self.buckets.each_ref().map(|bucket| bucket.load(Relaxed)),
            sum: Duration::from_nanos(self.sum_nanos.load(Relaxed)),
        };
        (counts.count() > 0).then_some(counts)
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::new()
    }
}

impl DurationCounts {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The upper bounds of the buckets but the last, in seconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "the bounds have few digits")]
    pub fn bounds() -> [f64; BUCKETS - 1] {
        BOUNDS_MICROS.map(|micros| micros as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_that_it_is_not_above() {
        let durations = Durations::new();
        assert_eq!(durations.counts(), None);
        for (nanos, bucket) in [
            (0, 0),
            (10_000, 0),
            (10_001, 1),
            (5_000_000, 3),
            (5_000_001, 4),
            (10_000_000_000, 16),
            (10_000_000_001, 17),
        ] {
            let one = Durations::new();
            one.take(Duration::from_nanos(nanos));
            durations.take(Duration::from_nanos(nanos));
            let counts = one.counts().expect("there is one");
            assert_eq!(counts.buckets[bucket], 1, "{nanos}");
            assert_eq!(
                (counts.count(), counts.sum),
                (1, Duration::from_nanos(nanos))
            );
        }
        assert_eq!(durations.counts().map(|it| it.count()), Some(7));
    }
}
