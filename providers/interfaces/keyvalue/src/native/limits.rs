//! Every limit of the interface, and the checks that all providers share. Names check themselves:
//! see [`Bucket`](crate::Bucket) and [`Key`].

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use wrt_contract::Callee;
use wrt_protocol::limits::BUDGET_DEFAULT;
use wrt_runtime::{SettingsError, check_range};

use crate::{Key, KeyValueError, Limit};

/// A bucket's name. With [`KEY_BYTES_MAX`] it leaves room to escape both within 4 KiB, which is the
/// longest protocol line of a NATS server.
pub const BUCKET_BYTES_MAX: usize = 64;
/// A key.
pub const KEY_BYTES_MAX: usize = 1024;
/// A value. A provider whose service takes less says so with the same error, [`Limit::ValueBytes`].
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A value that every provider takes, whatever its service.
pub const VALUE_BYTES_PORTABLE: usize = 1_000_000;
/// Keys of a batch.
pub const BATCH_KEYS_MAX: usize = 1000;
/// Keys and values of a batch together, in either direction.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Keys of one page of a listing.
pub const PAGE_KEYS_MAX: usize = 1000;
/// Cas handles of one instance.
pub const SWAP_HANDLES_MAX: usize = 1024;
/// Values and versions that the cas handles of one instance hold, together.
pub const SWAP_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Text of an error that a service gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

/// The shortest time to deduplicate for. Callers try a call again only where all of its budget and
/// [`Callee::LATE_MAX`] fit in the time; below this one the default budget would not, and each answer
/// would be kept for nothing.
pub const DEDUPLICATE_FOR_LEAST: Duration = BUDGET_DEFAULT.saturating_add(Callee::LATE_MAX);
/// The longest: answers are kept for all of it, and their number is what it costs.
pub const DEDUPLICATE_FOR_MOST: Duration = Duration::from_secs(60 * 60);
/// What one attempt of a provider to connect to its service may take, in milliseconds: a minute at the
/// most, since until then nobody is told.
pub const CONNECT_TIMEOUT_MS: RangeInclusive<u64> = 1..=60_000;

/// Refuses a time to deduplicate for that is shorter than [`DEDUPLICATE_FOR_LEAST`] or longer than
/// [`DEDUPLICATE_FOR_MOST`].
///
/// # Errors
/// [`SettingsError::Value`] of `deduplicate_for_ms`.
pub fn check_deduplicate_for(millis: Option<u64>) -> Result<(), SettingsError> {
    let millis_of = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let range = millis_of(DEDUPLICATE_FOR_LEAST)..=millis_of(DEDUPLICATE_FOR_MOST);
    millis.map_or(Ok(()), |millis| {
        check_range("deduplicate_for_ms", millis, range)
    })
}

/// Refuses a value over [`VALUE_BYTES_MAX`].
///
/// # Errors
/// [`KeyValueError::OverLimit`].
pub fn check_value(value: &Bytes) -> Result<(), KeyValueError> {
    Limit::ValueBytes.check(value.len(), VALUE_BYTES_MAX)
}

/// Refuses a batch of more than [`BATCH_KEYS_MAX`] keys.
///
/// # Errors
/// [`KeyValueError::OverLimit`].
pub fn check_keys(keys: &[Key]) -> Result<(), KeyValueError> {
    Limit::BatchKeys.check(keys.len(), BATCH_KEYS_MAX)
}

/// Refuses a batch that is over a limit, as a whole or in one of its values.
///
/// # Errors
/// [`KeyValueError::OverLimit`].
pub fn check_entries(entries: &[(Key, Bytes)]) -> Result<(), KeyValueError> {
    Limit::BatchKeys.check(entries.len(), BATCH_KEYS_MAX)?;
    let mut bytes = 0;
    for (key, value) in entries {
        check_value(value)?;
        bytes += key.as_str().len() + value.len();
    }
    Limit::BatchBytes.check(bytes, BATCH_BYTES_MAX)
}

/// Refuses an answer of values over [`BATCH_BYTES_MAX`].
///
/// # Errors
/// [`KeyValueError::OverLimit`].
pub fn check_values(values: &[Option<Bytes>]) -> Result<(), KeyValueError> {
    let bytes = values.iter().flatten().map(Bytes::len).sum();
    Limit::BatchBytes.check(bytes, BATCH_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_makes_no_retry_is_refused() {
        let context = wrt_contract::CallContext::default();
        for (millis, expected) in [
            (None, true),
            (Some(10_999), false),
            (Some(11_000), true),
            (Some(3_600_000), true),
            (Some(3_600_001), false),
            (Some(u64::MAX), false),
        ] {
            let checked = check_deduplicate_for(millis);
            assert_eq!(checked.is_ok(), expected, "{millis:?}: {checked:?}");
        }
        let name = |text| wrt_protocol::Name::new(text).expect("a legal name");
        let callee = Callee {
            address: wrt_protocol::ActorAddress::provider(name("app"), name("store")),
            deduplicates_for: Some(DEDUPLICATE_FOR_LEAST),
        };
        assert!(callee.deduplicates(&context), "the least is enough");
    }
}
