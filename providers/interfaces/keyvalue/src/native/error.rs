//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::InterfaceError;
use wrt_contract::Schema;
use wrt_protocol::Fault;

use crate::limits::ERROR_TEXT_BYTES_MAX;

/// Why an operation failed.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum KeyValueError {
    /// The component has no link to a provider.
    #[error("no such store")]
    NoSuchStore,
    /// The service behind the provider does not allow it.
    #[error("access denied")]
    AccessDenied,
    /// The value to be incremented is no integer that [`crate::counter_add`] knows.
    #[error("the value is not a decimal integer of 64 bits")]
    NotAnInteger,
    /// The sum does not fit 64 bits.
    #[error("the counter would overflow")]
    CounterOverflow,
    /// The sum is negative, and the guest's draft of the interface has unsigned counters. The key has
    /// been changed.
    #[error("the counter has been incremented, and is negative: this draft cannot say it")]
    NegativeCounter,
    /// Something is larger than it may be.
    #[error("{limit}: {actual}, of at most {max}")]
    OverLimit {
        /// What.
        limit: Limit,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        max: u64,
    },
    /// A bucket or key of no bytes.
    #[error("a key or bucket has at least one byte")]
    EmptyName,
    /// A cursor that no listing gave.
    #[error("not a cursor of this interface")]
    BadCursor,
    /// The provider has no room for the value.
    #[error("the store is full")]
    Full,
    /// What the service answered, in its own words; made with [`KeyValueError::other`].
    #[error("{0}")]
    Other(Box<str>),
    /// The lattice, or the provider's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of a bucket's name.
    #[error("bytes of a bucket's name")]
    BucketBytes,
    /// Bytes of a key.
    #[error("bytes of a key")]
    KeyBytes,
    /// Bytes of a value.
    #[error("bytes of a value")]
    ValueBytes,
    /// Keys of a batch.
    #[error("keys of a batch")]
    BatchKeys,
    /// Bytes of a batch.
    #[error("bytes of a batch")]
    BatchBytes,
    /// Buckets of a provider.
    #[error("buckets of a provider")]
    Buckets,
    /// Handles that an instance holds for later swaps.
    #[error("handles held for swaps")]
    SwapHandles,
    /// Bytes that an instance holds for later swaps.
    #[error("bytes held for swaps")]
    SwapBytes,
}

impl KeyValueError {
    /// What the service answered, cut at [`ERROR_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn other(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let end = text.floor_char_boundary(ERROR_TEXT_BYTES_MAX);
        Self::Other(text[..end].into())
    }

    /// What a component that is a store has answered. Its WIT knows most errors by their text alone; those
    /// of the store behind it have ours.
    pub(crate) fn told(text: &str) -> Self {
        let known = [
            Self::NotAnInteger,
            Self::CounterOverflow,
            Self::NegativeCounter,
            Self::EmptyName,
            Self::BadCursor,
            Self::Full,
        ];
        let known = known.into_iter().find(|known| known.to_string() == text);
        known.unwrap_or_else(|| Self::other(text))
    }
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`KeyValueError::OverLimit`].
    pub fn check(self, actual: usize, max: usize) -> Result<(), KeyValueError> {
        if actual <= max {
            return Ok(());
        }
        Err(KeyValueError::OverLimit {
            limit: self,
            actual: actual as u64,
            max: max as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "é".repeat(ERROR_TEXT_BYTES_MAX);
        let KeyValueError::Other(cut) = KeyValueError::other(format!("x{text}")) else {
            panic!("another error");
        };
        assert_eq!(cut.len(), ERROR_TEXT_BYTES_MAX - 1);
    }
}
