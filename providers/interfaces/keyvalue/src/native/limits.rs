//! Every limit of the interface, and the checks that all providers share. Names check themselves:
//! see [`Bucket`](crate::Bucket) and [`Key`].

use bytes::Bytes;

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
