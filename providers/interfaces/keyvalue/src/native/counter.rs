//! Counters: integers as decimal text.

use bytes::Bytes;

use crate::KeyValueError;

/// Adds `delta` to the number that `value` holds; no value counts as zero.
///
/// A number is an i64 in canonical decimal ASCII: `0`, or digits that do not start with `0`, with
/// `-` before a negative one. That is what Redis takes, and every provider takes the same.
///
/// # Errors
/// [`KeyValueError::NotAnInteger`] and [`KeyValueError::CounterOverflow`].
pub fn counter_add(value: Option<&[u8]>, delta: i64) -> Result<i64, KeyValueError> {
    let number = value.map_or(Some(0), parse);
    let number = number.ok_or(KeyValueError::NotAnInteger)?;
    number
        .checked_add(delta)
        .ok_or(KeyValueError::CounterOverflow)
}

/// The value that holds a number.
#[must_use]
pub fn counter_bytes(number: i64) -> Bytes {
    number.to_string().into()
}

fn parse(value: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    // Rust also takes "+1", "01" and "-0".
    (counter_bytes(number) == value).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_count() {
        let cases: [(&[u8], Option<i64>); 12] = [
            (b"0", Some(0)),
            (b"41", Some(41)),
            (b"-7", Some(-7)),
            (b"9223372036854775807", Some(i64::MAX)),
            (b"-9223372036854775808", Some(i64::MIN)),
            (b"9223372036854775808", None),
            (b"", None),
            (b"01", None),
            (b"+1", None),
            (b"-0", None),
            (b" 1", None),
            (b"\xff", None),
        ];
        for (value, number) in cases {
            assert_eq!(parse(value), number, "{value:?}");
        }
    }
}
