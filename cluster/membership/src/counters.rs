//! What became of heartbeats, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the heartbeats that a node heard and sent since it joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MembershipCounts {
    /// Heard, whatever became of them; a node hears its own too.
    pub seen: u64,
    /// Not readable, over a limit, or on a subject that is not their sender's.
    pub malformed: u64,
    /// Heard, and to be asked about: they change a share that is not the one known.
    pub gaps: u64,
    /// Of an older incarnation, or older than one already heard.
    pub stale: u64,
    /// Heartbeats of silent nodes that were held up on their way.
    pub late: u64,
    /// Of a node for which the table had no room.
    pub dropped: u64,
    /// Sent.
    pub sent: u64,
    /// Not sent, because the bus did not take them.
    pub unsent: u64,
    /// Times that a node fell silent.
    pub silences: u64,
    /// Questions to silent nodes whether they are there.
    pub asked: u64,
    /// Whole heartbeats that nodes were asked for.
    pub wholes_asked: u64,
    /// Whole heartbeats that this node was asked for, and has sent.
    pub wholes_told: u64,
    /// Nodes that were dead because the bus knew nobody there.
    pub absent: u64,
}

impl MembershipCounts {
    /// Each of them, with its name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("seen", self.seen),
            ("malformed", self.malformed),
            ("gaps", self.gaps),
            ("stale", self.stale),
            ("late", self.late),
            ("dropped", self.dropped),
            ("sent", self.sent),
            ("unsent", self.unsent),
            ("silences", self.silences),
            ("asked", self.asked),
            ("wholes_asked", self.wholes_asked),
            ("wholes_told", self.wholes_told),
            ("absent", self.absent),
        ]
        .into_iter()
    }
}

/// The live counters behind [`MembershipCounts`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) seen: Counter,
    pub(crate) malformed: Counter,
    pub(crate) gaps: Counter,
    pub(crate) stale: Counter,
    pub(crate) late: Counter,
    pub(crate) dropped: Counter,
    pub(crate) sent: Counter,
    pub(crate) unsent: Counter,
    pub(crate) silences: Counter,
    pub(crate) asked: Counter,
    pub(crate) wholes_asked: Counter,
    pub(crate) wholes_told: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> MembershipCounts {
        MembershipCounts {
            seen: self.seen.get(),
            malformed: self.malformed.get(),
            gaps: self.gaps.get(),
            stale: self.stale.get(),
            late: self.late.get(),
            dropped: self.dropped.get(),
            sent: self.sent.get(),
            unsent: self.unsent.get(),
            silences: self.silences.get(),
            asked: self.asked.get(),
            wholes_asked: self.wholes_asked.get(),
            wholes_told: self.wholes_told.get(),
            // The table counts them.
            absent: 0,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
