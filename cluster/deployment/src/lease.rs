//! Leases: who alone does what must be done by one. Pure: what is read and written, and when, is said by
//! whoever calls; every time is of one's own monotonic clock.
//!
//! ```text
//! holder    write r ──────────── renew ── r+1 ─────── (no answer) ── ends ┊
//! watcher      └─ sees r ─ ...    └─ sees r+1 ───────── lasts + margin ────┴─ takes, epoch + 1
//! ```
//!
//! No two clocks need to agree. A holder counts its time from before it asked for a write, a watcher from
//! when it has seen that write, which is later. So the holder's time is over first, if the two clocks run at
//! the same rate up to [`LeaseTimes::margin`]. What an operator removes by hand is waited for as well; only
//! a bucket that is removed as a whole, and made anew between a look and a write, is not told from one in
//! which nothing ever was.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Revision;

/// How long a lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    /// From its last renewal on.
    pub lasts: Duration,
    /// When it is renewed: so often within that time that one answer may be lost.
    pub renewed_every: Duration,
    /// So much longer a watcher waits.
    pub margin: Duration,
}

impl LeaseTimes {
    /// Those of the lattice: what a dead or stopped holder had is had by another well within 5 s.
    pub const DEFAULT: Self = Self {
        lasts: Duration::from_millis(2400),
        renewed_every: Duration::from_millis(700),
        margin: Duration::from_millis(200),
    };
}

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Who has it: one incarnation of a replica. None after it was given back.
    pub holder: Option<String>,
    /// Grows with each that takes it.
    pub epoch: u64,
}

/// What somebody who wants a lease is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing before then, but look at what is stored.
    WaitUntil(Instant),
    /// Write this, if what is stored is still of that revision; none where nothing is.
    Write {
        /// What.
        record: LeaseRecord,
        /// In place of what.
        instead_of: Option<Revision>,
    },
}

/// One who wants a lease, and has it or watches the one who has.
#[derive(Debug)]
pub struct Lease {
    name: String,
    times: LeaseTimes,
    seen: Option<Seen>,
    /// The highest that was seen, or that may have been had before.
    epoch_max: u64,
    held: Option<Held>,
}

/// What stands where a lease is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// None where nothing was ever stored.
    pub revision: Option<Revision>,
    /// None as well where somebody has removed it.
    pub record: Option<LeaseRecord>,
}

impl Stored {
    fn holder(&self) -> Option<&String> {
        self.record.as_ref()?.holder.as_ref()
    }
}

#[derive(Debug, Clone)]
struct Seen {
    stored: Stored,
    /// When this was seen first.
    since: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: u64,
    renew_at: Instant,
    ends_at: Instant,
}

impl Lease {
    /// One who is called `name` by no other, and has not looked yet.
    #[must_use]
    pub fn new(name: String, times: LeaseTimes) -> Self {
        Self {
            name,
            times,
            seen: None,
            epoch_max: 0,
            held: None,
        }
    }

    /// One whose epochs are greater than `epoch`, also where nothing is stored that says where to go on.
    #[must_use]
    pub fn past(self, epoch: u64) -> Self {
        Self {
            epoch_max: self.epoch_max.max(epoch),
            ..self
        }
    }

    /// Its epoch, while it has the lease.
    #[must_use]
    pub fn epoch(&self, now: Instant) -> Option<u64> {
        let held = self.held.filter(|held| now < held.ends_at)?;
        Some(held.epoch)
    }

    /// When its time is over, unless it is renewed; none where it has no lease.
    #[must_use]
    pub fn ends_at(&self) -> Option<Instant> {
        Some(self.held?.ends_at)
    }

    /// It has read what is stored.
    pub fn read(&mut self, now: Instant, stored: Stored) {
        let is_known = |seen: &Seen| seen.stored.revision == stored.revision;
        if self.seen.as_ref().is_some_and(is_known) {
            return;
        }
        // Somebody has written over it: that can only be after its time, or by an operator's hand.
        if stored.holder() != Some(&self.name) {
            self.held = None;
        }
        self.see(now, stored);
    }

    fn see(&mut self, since: Instant, stored: Stored) {
        let epoch = stored.record.as_ref().map_or(0, |record| record.epoch);
        self.epoch_max = self.epoch_max.max(epoch);
        self.seen = Some(Seen { stored, since });
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: Instant) -> Step {
        let Some(seen) = &self.seen else {
            return Step::WaitUntil(now);
        };
        let write = |epoch| Step::Write {
            record: LeaseRecord {
                holder: Some(self.name.clone()),
                epoch,
            },
            instead_of: seen.stored.revision,
        };
        if let Some(held) = self.held.filter(|held| now < held.ends_at) {
            return match now < held.renew_at {
                true => Step::WaitUntil(held.renew_at),
                false => write(held.epoch),
            };
        }
        let is_free = match (&seen.stored.record, seen.stored.holder()) {
            // Given back.
            (Some(_), None) => true,
            // A write of one's own whose answer was lost, or a lease of one's own that is over.
            (_, Some(holder)) => *holder == self.name,
            // Where nothing is stored somebody may have it all the same: what was stored is lost.
            (None, None) => false,
        };
        let free_at = seen.since + self.times.lasts + self.times.margin;
        match is_free || now >= free_at {
            true => write(self.epoch_max.saturating_add(1)),
            false => Step::WaitUntil(free_at),
        }
    }

    /// A write of [`Self::next`] that was asked for at `asked_at` is stored.
    pub fn written(&mut self, asked_at: Instant, revision: Revision, record: LeaseRecord) {
        self.held = Some(Held {
            epoch: record.epoch,
            renew_at: asked_at + self.times.renewed_every,
            ends_at: asked_at + self.times.lasts,
        });
        let stored = Stored {
            revision: Some(revision),
            record: Some(record),
        };
        self.see(asked_at, stored);
    }

    /// What gives it back, for one who has stopped what it did under it: others need not wait then.
    #[must_use]
    pub fn give_back(&mut self) -> Option<(LeaseRecord, Revision)> {
        let held = self.held.take()?;
        let revision = self.seen.as_ref()?.stored.revision?;
        let record = LeaseRecord {
            holder: None,
            epoch: held.epoch,
        };
        Some((record, revision))
    }
}

#[cfg(test)]
mod tests;
