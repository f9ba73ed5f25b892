//! What of a partition is done: a pure value.

use std::collections::{BTreeMap, BTreeSet};

/// What of a partition was taken and is not committed yet.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    taken: BTreeMap<i64, Taken>,
    /// Behind the last one that was taken.
    next: Option<i64>,
    /// What somebody who had the partition before has left.
    before: Marks,
    /// What was committed last.
    committed: Option<(i64, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    InHand { failed: u32 },
    Done,
}

/// What goes along with a committed offset, about those from there on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    done: BTreeSet<i64>,
    failed: BTreeMap<i64, u32>,
}

/// As much as a broker keeps beside an offset by default is 4096 bytes.
const MARKS_BYTES_MAX: usize = 3072;
/// In front of marks. Others may have left something else.
const MARKS: &str = "wrt1";
/// Offsets that marks may name, from the committed one on.
const MARKED_MAX: i64 = 100_000;

impl Offsets {
    /// Of a partition whose committed offset has these marks.
    pub(super) fn with_marks(committed: i64, marks: &str) -> Self {
        Self {
            before: Marks::read(committed, marks),
            ..Self::default()
        }
    }

    /// Whether an offset comes that has come before, or one in front of those. A broker gives each once, in
    /// their order, to whoever has the partition: so they count anew.
    pub(super) fn goes_back_to(&self, offset: i64) -> bool {
        self.next.is_some_and(|next| offset < next)
    }

    /// Takes one; how many attempts at it have failed, or nothing if it is done.
    pub(super) fn take(&mut self, offset: i64) -> Option<u32> {
        self.next = Some(offset.saturating_add(1));
        if self.before.done.contains(&offset) {
            self.taken.insert(offset, Taken::Done);
            self.settle();
            return None;
        }
        let failed = self.before.failed.get(&offset).copied().unwrap_or(0);
        self.taken.insert(offset, Taken::InHand { failed });
        Some(failed)
    }

    /// It was handled, or is stored elsewhere.
    pub(super) fn done(&mut self, offset: i64) {
        self.taken.insert(offset, Taken::Done);
        self.settle();
    }

    /// So many attempts at it have failed.
    pub(super) fn failed(&mut self, offset: i64, failed: u32) {
        self.taken.insert(offset, Taken::InHand { failed });
    }

    /// How many it remembers.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// What is to be committed, if it is not yet: the first one that is not done, and the marks of those
    /// behind it.
    pub(super) fn to_commit(&self) -> Option<(i64, String)> {
        let position = self.taken.keys().next().copied().or(self.next)?;
        let now = (position, self.marks(position));
        (self.committed.as_ref() != Some(&now)).then_some(now)
    }

    /// That was committed; nothing, where it is not known whether it was.
    pub(super) fn committed(&mut self, what: Option<(i64, String)>) {
        self.committed = what;
    }

    /// The prefix that is done is not remembered.
    fn settle(&mut self) {
        while let Some(first) = self.taken.first_entry()
            && *first.get() == Taken::Done
        {
            first.remove();
        }
    }

    fn marks(&self, position: i64) -> String {
        let mut text = String::new();
        let mut put = |what: String| {
            let fits = text.len() + what.len() + MARKS.len() < MARKS_BYTES_MAX;
            if fits {
                text += &what;
            }
        };
        let (mut run, mut runs) = (None::<(i64, i64)>, Vec::new());
        for (offset, taken) in &self.taken {
            match (taken, &mut run) {
                (Taken::Done, Some((_, last))) if *last + 1 == *offset => *last = *offset,
                (Taken::Done, _) => runs.extend(run.replace((*offset, *offset))),
                (Taken::InHand { failed: 0 }, _) => {}
                (Taken::InHand { failed }, _) => put(format!(" {}:{failed}", offset - position)),
            }
        }
        for (first, last) in runs.into_iter().chain(run) {
            let (first, last) = (first - position, last - position);
            put(format!(" {first}-{last}"));
        }
        match text.is_empty() {
            true => text,
            false => format!("{MARKS}{text}"),
        }
    }
}

impl Marks {
    /// What cannot be read says nothing: messages come once more.
    fn read(committed: i64, text: &str) -> Self {
        let (mut marks, mut room) = (Self::default(), MARKED_MAX as usize);
        let Some(text) = text.strip_prefix(MARKS) else {
            return marks;
        };
        let number = |text: &str| {
            let number: i64 = text.parse().ok()?;
            (0..=MARKED_MAX).contains(&number).then_some(number)
        };
        for mark in text.split_ascii_whitespace() {
            if let Some((first, last)) = mark.split_once('-') {
                if let (Some(first), Some(last)) = (number(first), number(last)) {
                    let run = (first..=last).map(|offset| committed.saturating_add(offset));
                    marks.done.extend(run.take(room).inspect(|_| room -= 1));
                }
            } else if let Some((offset, failed)) = mark.split_once(':')
                && let (Some(offset), Ok(failed)) = (number(offset), failed.parse())
            {
                marks
                    .failed
                    .insert(committed.saturating_add(offset), failed);
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_commit(offsets: &Offsets) -> (i64, String) {
        offsets.to_commit().expect("something is to be committed")
    }

    #[test]
    fn the_contiguous_prefix_is_committed_and_the_rest_is_marked() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.to_commit(), None);
        // There are gaps in a topic that is compacted.
        for offset in [10, 11, 12, 14, 15, 20] {
            assert_eq!(offsets.take(offset), Some(0));
        }
        assert_eq!(to_commit(&offsets), (10, String::new()));
        for offset in [11, 12, 15] {
            offsets.done(offset);
        }
        offsets.failed(14, 2);
        assert_eq!(to_commit(&offsets), (10, "wrt1 4:2 1-2 5-5".to_owned()));
        offsets.committed(offsets.to_commit());
        assert_eq!(offsets.to_commit(), None, "it is");
        offsets.done(10);
        assert_eq!(to_commit(&offsets), (14, "wrt1 0:2 1-1".to_owned()));
        offsets.done(14);
        offsets.done(20);
        assert_eq!(to_commit(&offsets), (21, String::new()));
        assert_eq!(offsets.len(), 0);
        let goes_back = [15, 20, 21].map(|offset| offsets.goes_back_to(offset));
        assert_eq!(goes_back, [true, true, false]);
    }

    #[test]
    fn whoever_has_the_partition_next_goes_on() {
        let mut offsets = Offsets::with_marks(14, "wrt1 0:2 1-1 3-4");
        assert_eq!(offsets.take(14), Some(2), "attempts count on");
        assert_eq!(offsets.take(15), None, "it is done");
        assert_eq!(offsets.take(16), Some(0));
        assert_eq!((offsets.take(17), offsets.take(18)), (None, None));
        offsets.done(16);
        assert_eq!(to_commit(&offsets), (14, "wrt1 0:2 1-4".to_owned()));
    }

    #[test]
    fn what_others_left_says_nothing_and_does_no_harm() {
        for text in [
            "",
            "x",
            "wrt1",
            "wrt1 5",
            "wrt1 -1-9",
            "wrt1 0-99999999999",
            "wrt1 1:x 2:-1",
            "wrt1 9-3",
        ] {
            assert_eq!(Marks::read(0, text), Marks::default(), "{text:?}");
        }
    }

    #[test]
    fn what_others_left_has_an_end() {
        let marks = format!("wrt1{}", " 0-100000".repeat(400));
        let marks = Marks::read(i64::MAX - 10, &marks);
        assert_eq!(marks.done.last(), Some(&i64::MAX));
    }

    /// Half of the marks is not too much for a broker, and none are lost that fit.
    #[test]
    fn marks_have_an_end() {
        let mut offsets = Offsets::default();
        for offset in 0..10_000 {
            offsets.take(offset);
        }
        for offset in (1..10_000).step_by(2) {
            offsets.done(offset);
        }
        let (_, marks) = to_commit(&offsets);
        assert!(marks.len() > MARKS_BYTES_MAX - 20 && marks.len() <= MARKS_BYTES_MAX);
    }
}
