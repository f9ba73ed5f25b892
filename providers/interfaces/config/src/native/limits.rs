//! Every limit of the interface, and the checks that all providers share.

use std::collections::BTreeMap;

use crate::ConfigError;

/// A key.
pub const KEY_BYTES_MAX: usize = 512;
/// A value.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Keys of a provider.
pub const ENTRIES_MAX: usize = 4096;
/// Keys and values of a provider together, so that all of them travel inside one envelope.
pub const STORE_BYTES_MAX: usize = 256 * 1024;
/// Text of an error that a service gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

/// Refuses a key over [`KEY_BYTES_MAX`].
///
/// # Errors
/// [`ConfigError::OverLimit`].
pub fn check_key(key: &str) -> Result<(), ConfigError> {
    check("bytes of a key", key.len(), KEY_BYTES_MAX)
}

/// Refuses a key with its value, if either is over its limit.
///
/// # Errors
/// [`ConfigError::OverLimit`].
pub fn check_entry(key: &str, value: &str) -> Result<(), ConfigError> {
    check_key(key)?;
    check("bytes of a value", value.len(), VALUE_BYTES_MAX)
}

/// Refuses what a provider would serve, if anything in it or all of it is over a limit.
///
/// # Errors
/// [`ConfigError::OverLimit`].
pub fn check_values(values: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    check("keys", values.len(), ENTRIES_MAX)?;
    let mut bytes = 0;
    for (key, value) in values {
        check_entry(key, value)?;
        bytes += key.len() + value.len();
    }
    check("bytes of all keys and values", bytes, STORE_BYTES_MAX)
}

fn check(what: &str, actual: usize, max: usize) -> Result<(), ConfigError> {
    if actual <= max {
        return Ok(());
    }
    Err(ConfigError::OverLimit {
        what: what.into(),
        actual: actual as u64,
        max: max as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_held() {
        let entry = |key: usize, value: usize| ("k".repeat(key), "v".repeat(value));
        let keys = |count: usize| (0..count).map(|at| (at.to_string(), String::new()));
        let cases = [
            (
                BTreeMap::from([entry(KEY_BYTES_MAX, VALUE_BYTES_MAX)]),
                None,
            ),
            (
                BTreeMap::from([entry(KEY_BYTES_MAX + 1, 0)]),
                Some("bytes of a key: 513"),
            ),
            (
                BTreeMap::from([entry(1, VALUE_BYTES_MAX + 1)]),
                Some("bytes of a value: 65537"),
            ),
            (keys(ENTRIES_MAX).collect(), None),
            (keys(ENTRIES_MAX + 1).collect(), Some("keys: 4097")),
            (
                (1..=5).map(|key| entry(key, VALUE_BYTES_MAX)).collect(),
                Some("bytes of all"),
            ),
        ];
        for (values, expected) in cases {
            let refused = check_values(&values).err().map(|error| error.to_string());
            match (&refused, expected) {
                (None, None) => {}
                (Some(text), Some(start)) => assert!(text.starts_with(start), "{text}"),
                _ => panic!("{refused:?} is not {expected:?}"),
            }
        }
    }
}
