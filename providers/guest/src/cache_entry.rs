//! An entry of a cache, as the store has it: a line with the end, and the value as JSON behind it.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

/// What an entry begins with. What does not is somebody else's.
const MARK: &str = "wrt-cache 1 ";

/// What is under a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<T> {
    /// A value that is not over.
    Value(T),
    /// Nothing, or an entry that is over or of another type.
    Nothing,
    /// Something that no cache has written.
    Another,
}

/// The entry of a value that is kept until `end`; times are since 1970.
pub(crate) fn write<T: Serialize>(end: Duration, value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut entry = format!("{MARK}{}\n", end.as_millis()).into_bytes();
    serde_json::to_writer(&mut entry, value)?;
    Ok(entry)
}

/// What `bytes` are at the time `now`.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], now: Duration) -> Found<T> {
    let Some(rest) = bytes.strip_prefix(MARK.as_bytes()) else {
        return Found::Another;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let end = parts
        .next()
        .and_then(|end| str::from_utf8(end).ok()?.parse().ok());
    let (Some(end), Some(value)) = (end, parts.next()) else {
        return Found::Another;
    };
    if Duration::from_millis(end) <= now {
        return Found::Nothing;
    }
    serde_json::from_slice(value).map_or(Found::Nothing, Found::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_there_until_its_end() {
        let entry = write(Duration::from_millis(1500), &("a\nb", 7)).expect("it is JSON");
        for (now, expected) in [
            (0, Found::Value(("a\nb".to_owned(), 7))),
            (1499, Found::Value(("a\nb".to_owned(), 7))),
            (1500, Found::Nothing),
        ] {
            assert_eq!(read(&entry, Duration::from_millis(now)), expected, "{now}");
        }
        let other_type: Found<u8> = read(&entry, Duration::ZERO);
        assert_eq!(other_type, Found::Nothing);
    }

    #[test]
    fn what_somebody_else_has_put_there_is_known() {
        for bytes in [
            "",
            "7",
            "wrt-cache 1 x\n7",
            "wrt-cache 1 7",
            "wrt-cache 2 7\n7",
        ] {
            let found: Found<u8> = read(bytes.as_bytes(), Duration::ZERO);
            assert_eq!(found, Found::Another, "{bytes:?}");
        }
    }
}
