//! Where chunks of an object lie in the stream, so that a range is read from its beginning.
//!
//! Chunks of several writers lie in turns, so that the place of one does not follow from that of another.
//! An object's notes have those of some, at equal distances: of all while there are few.

use std::fmt::Write as _;

/// The name of the note.
pub(super) const NOTE: &str = "wrt-chunks";

/// Places that are noted. With chunks of 128 KiB each chunk of up to 128 MiB is; of larger objects each
/// second one, each fourth one.
const PLACES_MAX: usize = 1024;

/// Sequence numbers of chunks 0, `stride`, 2 x `stride` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChunkIndex {
    stride: u64,
    places: Vec<u64>,
    chunks: u64,
}

impl Default for ChunkIndex {
    fn default() -> Self {
        Self {
            stride: 1,
            places: Vec::new(),
            chunks: 0,
        }
    }
}

impl ChunkIndex {
    /// Notes the next chunk.
    pub(super) fn push(&mut self, sequence: u64) {
        if self.chunks.is_multiple_of(self.stride) {
            if self.places.len() == PLACES_MAX {
                let mut at = 0;
                self.places.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.stride *= 2;
            }
            if self.chunks.is_multiple_of(self.stride) {
                self.places.push(sequence);
            }
        }
        self.chunks += 1;
    }

    /// A chunk that is at or before chunk `chunk`, and its sequence number.
    pub(super) fn before(&self, chunk: u64) -> Option<(u64, u64)> {
        let last = self.places.len().checked_sub(1)?;
        let at = usize::try_from(chunk / self.stride).unwrap_or(last);
        let at = at.min(last);
        Some((at as u64 * self.stride, self.places[at]))
    }

    /// The sequence number of a chunk, where that one is noted.
    pub(super) fn at(&self, chunk: u64) -> Option<u64> {
        let is_noted = chunk.is_multiple_of(self.stride);
        let at = usize::try_from(chunk / self.stride).ok()?;
        self.places.get(at).copied().filter(|_| is_noted)
    }

    /// As a note: the stride, the first place, and the distances between places.
    pub(super) fn note(&self) -> String {
        let mut note = self.stride.to_string();
        let mut before = 0;
        for place in &self.places {
            let distance = place.saturating_sub(before);
            write!(note, " {distance}").expect("a string takes any text");
            before = *place;
        }
        note
    }

    /// What a note says. Another client's, or one that was changed, is of no use.
    pub(super) fn read(note: &str) -> Option<Self> {
        let mut numbers = note.split(' ').map(str::parse::<u64>);
        let stride = numbers.next()?.ok().filter(|stride| *stride > 0)?;
        let mut places = Vec::new();
        let mut place = 0_u64;
        for distance in numbers.take(PLACES_MAX) {
            place = place.checked_add(distance.ok()?)?;
            places.push(place);
        }
        Some(Self {
            stride,
            places,
            chunks: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_never_behind_its_chunk() {
        for chunks in [0, 1, 2, 1024, 1025, 5000] {
            let mut index = ChunkIndex::default();
            // With others in between.
            let sequence_of = |chunk: u64| 7 + chunk * 3;
            (0..chunks).for_each(|chunk| index.push(sequence_of(chunk)));
            let read = ChunkIndex::read(&index.note()).unwrap();
            assert!(read.places.len() <= PLACES_MAX);
            assert_eq!(read.before(0).is_some(), chunks > 0);
            for chunk in [0, 1, chunks / 2, chunks.saturating_sub(1)] {
                let Some((at, sequence)) = read.before(chunk) else {
                    continue;
                };
                assert!(at <= chunk && chunk - at < 8, "{chunk} of {chunks}: {at}");
                assert_eq!(sequence, sequence_of(at));
                assert_eq!(read.at(at), Some(sequence));
                let is_exact = chunk < chunks && chunk == at;
                assert_eq!(read.at(chunk).is_some(), is_exact, "{chunk} of {chunks}");
            }
        }
    }

    #[test]
    fn what_is_no_note_is_of_no_use() {
        for note in ["", "0 1", "x", "1 -1", "1 18446744073709551615 2", "1  2"] {
            assert_eq!(ChunkIndex::read(note), None, "{note:?}");
        }
    }
}
