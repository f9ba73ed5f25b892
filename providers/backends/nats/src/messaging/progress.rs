//! How far a subscription in order has come. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// As many as may be done with behind one that is not: more of them are handled again.
const DONE_MAX: usize = 1 << 16;

/// What has become of the messages of a stream, as it is stored: whoever goes on with it begins behind those
/// that are all done with, and leaves out the others that are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// All up to this one are done with.
    pub(super) through: u64,
    /// Those behind it that are as well, as first and last of each run.
    pub(super) done: Vec<(u64, u64)>,
    /// Failed attempts of those that are not.
    pub(super) failed: BTreeMap<u64, u32>,
}

/// The same while it goes on.
#[derive(Debug, Default)]
pub(super) struct Going {
    through: u64,
    /// Taken, and not done with.
    open: BTreeSet<u64>,
    /// Done with, behind one that is not.
    done: BTreeSet<u64>,
    failed: BTreeMap<u64, u32>,
    /// The last one that was taken.
    taken: u64,
}

impl Going {
    /// Goes on from there.
    pub(super) fn from(stored: &Progress) -> Self {
        let runs = stored.done.iter();
        Self {
            through: stored.through,
            open: BTreeSet::new(),
            done: runs
                .flat_map(|&(first, last)| first..=last)
                .take(DONE_MAX)
                .collect(),
            failed: stored.failed.clone(),
            taken: stored.through,
        }
    }

    /// One comes from the stream; none where it is done with already.
    pub(super) fn take(&mut self, sequence: u64) -> Option<u32> {
        self.taken = self.taken.max(sequence);
        if sequence <= self.through || self.done.contains(&sequence) {
            self.advance();
            return None;
        }
        self.open.insert(sequence);
        Some(self.failed.get(&sequence).copied().unwrap_or(0))
    }

    /// An attempt has failed; how many by now.
    pub(super) fn failed(&mut self, sequence: u64) -> u32 {
        let failed = self.failed.entry(sequence).or_default();
        *failed = failed.saturating_add(1);
        *failed
    }

    /// It was handled or given up.
    pub(super) fn done(&mut self, sequence: u64) {
        self.failed.remove(&sequence);
        if self.open.remove(&sequence) {
            self.done.insert(sequence);
        }
        self.advance();
    }

    /// Messages from the first that is not done with to the last that was taken, at most.
    pub(super) fn window(&self) -> u64 {
        self.taken.saturating_sub(self.through)
    }

    /// As it is stored.
    pub(super) fn stored(&self) -> Progress {
        let mut runs = Vec::<(u64, u64)>::new();
        for &sequence in &self.done {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(sequence) => *last = sequence,
                _ => runs.push((sequence, sequence)),
            }
        }
        Progress {
            through: self.through,
            done: runs,
            failed: self.failed.clone(),
        }
    }

    /// The stream gives messages in order, and those of other topics not at all: so all before the first that
    /// is open are done with.
    fn advance(&mut self) {
        self.through = match self.open.first() {
            Some(first) => self.through.max(first - 1),
            None => self.through.max(self.taken),
        };
        let next = self.through.saturating_add(1);
        self.done = self.done.split_off(&next);
        self.failed = self.failed.split_off(&next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_an_open_one_is_left_out_by_who_goes_on() {
        let mut going = Going::from(&Progress::default());
        // Others of the stream are of another topic.
        for sequence in [2, 3, 5, 6, 9] {
            assert_eq!(going.take(sequence), Some(0));
        }
        going.done(5);
        going.done(6);
        assert_eq!(going.failed(2), 1);
        assert_eq!(going.failed(2), 2);
        let stored = going.stored();
        let expected = Progress {
            through: 1,
            done: vec![(5, 6)],
            failed: BTreeMap::from([(2, 2)]),
        };
        assert_eq!((going.window(), &stored), (8, &expected));

        let mut next = Going::from(&stored);
        let taken: Vec<_> = [2, 3, 5, 6, 9].map(|it| next.take(it)).into();
        assert_eq!(taken, [Some(2), Some(0), None, None, Some(0)]);
        next.done(2);
        assert_eq!(next.stored().through, 2);
        next.done(3);
        assert_eq!(next.stored().through, 8);
        next.done(9);
        let all = Progress {
            through: 9,
            ..Progress::default()
        };
        assert_eq!((next.stored(), next.window()), (all, 0));
    }

    #[test]
    fn what_was_stored_by_whomever_does_no_harm() {
        let stored = Progress {
            through: 7,
            done: vec![(9, 8), (3, 3), (10, 10)],
            failed: BTreeMap::from([(1, 9)]),
        };
        let mut going = Going::from(&stored);
        assert_eq!(
            [going.take(7), going.take(8), going.take(10)],
            [None, Some(0), None]
        );
        going.done(8);
        assert_eq!(going.stored().through, 10);
        going.done(4);
        assert_eq!(going.stored().through, 10, "it was never taken");
    }
}
