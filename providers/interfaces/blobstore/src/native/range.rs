//! Parts of objects.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::BlobstoreError;

/// A part of an object, from one offset to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// All of an object.
    pub const WHOLE: Self = Self {
        start: 0,
        end: u64::MAX,
    };

    /// From `start` to `end`, both included.
    ///
    /// # Errors
    /// [`BlobstoreError::BadRange`] where it ends before it begins.
    pub fn new(start: u64, end: u64) -> Result<Self, BlobstoreError> {
        if end < start {
            return Err(BlobstoreError::BadRange { start, end });
        }
        Ok(Self { start, end })
    }

    /// The part of an object of that size: none of it is behind the object's end, and it may be empty.
    #[must_use]
    pub fn of_size(self, size_bytes: u64) -> Range<u64> {
        let end = self.end.saturating_add(1).min(size_bytes);
        self.start.min(end)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_offsets_are_included_and_the_object_ends_it() {
        for (start, end, size, expected) in [
            (0, 0, 10, 0..1),
            (0, 9, 10, 0..10),
            (0, u64::MAX, 10, 0..10),
            (9, 9, 10, 9..10),
            (10, 10, 10, 10..10),
            (11, 20, 10, 10..10),
            (3, 5, 10, 3..6),
            (0, 0, 0, 0..0),
            (u64::MAX, u64::MAX, u64::MAX, u64::MAX..u64::MAX),
        ] {
            let range = ByteRange::new(start, end).unwrap();
            assert_eq!(range.of_size(size), expected, "{start} to {end} of {size}");
        }
        assert!(ByteRange::new(1, 0).is_err());
    }

    /// What was decoded was checked by nobody.
    #[test]
    fn a_range_from_elsewhere_does_no_harm() {
        let reversed = ByteRange { start: 9, end: 3 };
        assert!(reversed.of_size(10).is_empty());
    }
}
