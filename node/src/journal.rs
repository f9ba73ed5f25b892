//! What a node keeps of what it has said lately, for whoever asks: its log, and what has happened.
//!
//! Nothing is sent that nobody asks for. A journal is bounded: where it is full the earliest goes, and a reader
//! that comes too late for it is told how much it has missed.

mod question;

use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

pub use question::{
    Cursor, EventLine, EventQuestion, LogLevel, LogLine, LogQuestion, Page, Question,
};

/// What one entry takes beside its text.
const ENTRY_BYTES: usize = 128;
/// Entries of one answer, and their bytes: it fits into one message of the bus.
pub const PAGE_ENTRIES_MAX: usize = 1000;
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// The latest entries.
pub struct Journal<T> {
    entries_max: usize,
    bytes_max: usize,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    entries: VecDeque<(usize, T)>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
}

/// Some entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    pub entries: Vec<T>,
    /// The number of the entry to go on with.
    pub next: u64,
    /// Entries that were gone before they could be read.
    pub missed: u64,
}

impl<T: Clone> Journal<T> {
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            entries_max,
            bytes_max,
            kept: Mutex::new(Kept {
                entries: VecDeque::new(),
                first: 0,
                bytes: 0,
            }),
        }
    }

    /// Adds an entry whose text has so many bytes.
    pub fn push(&self, entry: T, text_bytes: usize) {
        let bytes = text_bytes.saturating_add(ENTRY_BYTES);
        let mut kept = self.kept.lock();
        kept.entries.push_back((bytes, entry));
        kept.bytes += bytes;
        while kept.entries.len() > self.entries_max || kept.bytes > self.bytes_max {
            let Some((bytes, _)) = kept.entries.pop_front() else {
                break;
            };
            kept.bytes -= bytes;
            kept.first += 1;
        }
    }

    /// The last `count` that are wanted, the earliest first.
    pub fn last(&self, count: usize, is_wanted: impl Fn(&T) -> bool) -> Read<T> {
        let kept = self.kept.lock();
        let (mut room, mut entries) = (PAGE_BYTES_MAX, Vec::new());
        let fits = |bytes: usize| bytes <= PAGE_BYTES_MAX;
        let wanted = kept.entries.iter().rev();
        let wanted = wanted.filter(|(bytes, it)| fits(*bytes) && is_wanted(it));
        for (bytes, entry) in wanted.take(count.min(PAGE_ENTRIES_MAX)) {
            if *bytes > room {
                break;
            }
            room -= *bytes;
            entries.push(entry.clone());
        }
        entries.reverse();
        Read {
            entries,
            next: kept.end(),
            missed: 0,
        }
    }

    /// Those from a number on that are wanted, as many as fit. One who goes on with a number that is not reached
    /// yet begins anew.
    pub fn from(&self, number: u64, is_wanted: impl Fn(&T) -> bool) -> Read<T> {
        let kept = self.kept.lock();
        let number = if number > kept.end() { 0 } else { number };
        let start = number.max(kept.first);
        let mut read = Read {
            entries: Vec::new(),
            next: start,
            missed: start - number,
        };
        let skipped = usize::try_from(start - kept.first).unwrap_or(usize::MAX);
        let mut room = PAGE_BYTES_MAX;
        for (bytes, entry) in kept.entries.iter().skip(skipped) {
            if is_wanted(entry) && *bytes > PAGE_BYTES_MAX {
                // It fits into no answer.
                read.missed += 1;
            } else if is_wanted(entry) {
                if *bytes > room || read.entries.len() == PAGE_ENTRIES_MAX {
                    return read;
                }
                room -= *bytes;
                read.entries.push(entry.clone());
            }
            read.next += 1;
        }
        read
    }
}

impl<T> Kept<T> {
    /// The number of the entry that comes next.
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log and an event tell the time of day, and nothing is decided by it"
)]
pub fn unix_nanos_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[u32], next: u64, missed: u64) -> Read<u32> {
        Read {
            entries: entries.to_vec(),
            next,
            missed,
        }
    }

    #[test]
    fn one_who_comes_too_late_is_told_what_it_has_missed() {
        let journal = Journal::new(3, usize::MAX);
        assert_eq!(journal.last(9, |_| true), read(&[], 0, 0));
        for entry in 0..5 {
            journal.push(entry, 1);
        }
        assert_eq!(journal.last(2, |_| true), read(&[3, 4], 5, 0));
        assert_eq!(journal.from(0, |_| true), read(&[2, 3, 4], 5, 2));
        assert_eq!(journal.from(4, |_| true), read(&[4], 5, 0));
        assert_eq!(journal.from(5, |_| true), read(&[], 5, 0));
        // Of another incarnation, which had said more.
        assert_eq!(journal.from(99, |_| true).entries, [2, 3, 4]);
        // What is not wanted is passed over, and not read again.
        assert_eq!(journal.from(2, |it| it % 2 == 1), read(&[3], 5, 0));
        assert_eq!(journal.last(9, |it| it % 2 == 0), read(&[2, 4], 5, 0));
    }

    #[test]
    fn it_is_bounded_in_bytes_and_so_is_an_answer() {
        let large = PAGE_BYTES_MAX / 2;
        let journal = Journal::new(usize::MAX, 3 * PAGE_BYTES_MAX);
        for entry in 0..20 {
            journal.push(entry, large);
        }
        let first = journal.from(0, |_| true);
        assert_eq!((first.entries.len(), first.missed), (1, 15));
        let second = journal.from(first.next, |_| true);
        assert_eq!((second.entries, second.missed), (vec![16], 0));
        assert_eq!(journal.last(9, |_| true).entries, [19]);
        let huge = Journal::new(usize::MAX, usize::MAX);
        huge.push(1, 2 * PAGE_BYTES_MAX);
        huge.push(2, 0);
        assert_eq!(huge.from(0, |_| true), read(&[2], 2, 1));
        assert_eq!(huge.last(9, |_| true).entries, [2]);
        let many = Journal::new(usize::MAX, usize::MAX);
        for entry in 0..1500 {
            many.push(entry, 0);
        }
        assert_eq!(many.from(0, |_| true).next, PAGE_ENTRIES_MAX as u64);
        assert_eq!(
            many.last(usize::MAX, |_| true).entries.len(),
            PAGE_ENTRIES_MAX
        );
    }
}
