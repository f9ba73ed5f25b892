//! Names of buckets and keys on the server.
//!
//! A bucket keeps ASCII letters, digits and `-`; each other byte is `_` and two hexadecimal digits. So
//! neither `_-` nor `_answers` is in one, and a prefix that ends in `_-` is no other's with more to it.
//! A key keeps ASCII letters, digits, `-`, `_`, `/`, and `.` where that is no end and no neighbour of
//! another `.`; each other byte is `=` and two hexadecimal digits. So most names read the same in
//! NATS's own tools, and every one comes back.

use std::fmt::Write as _;

use wrt_keyvalue::{Bucket, Key};

/// The name of a bucket's stream.
pub(crate) fn stream_name(prefix: &str, bucket: &Bucket) -> String {
    format!("KV_{}", bucket_name(prefix, bucket.as_str()))
}

/// What all subjects of a bucket start with.
pub(crate) fn subject_prefix(prefix: &str, bucket: &Bucket) -> String {
    format!("$KV.{}.", bucket_name(prefix, bucket.as_str()))
}

/// The name of the stream of first answers. No bucket's: these have hexadecimal digits after a `_`.
pub(crate) fn answers_stream_name(prefix: &str) -> String {
    format!("KV_{prefix}_answers")
}

/// What all subjects of first answers start with.
pub(crate) fn answers_subject_prefix(prefix: &str) -> String {
    format!("$KV.{prefix}_answers.")
}

/// The name of a bucket as tools of NATS know it, whatever is kept in it.
pub(crate) fn bucket_name(prefix: &str, bucket: &str) -> String {
    let mut name = prefix.to_owned();
    for byte in bucket.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            write!(name, "_{byte:02X}").expect("a string takes any text");
        }
    }
    name
}

/// The key as the last part of a subject.
pub(crate) fn encode_key(key: &Key) -> String {
    let bytes = key.as_str().as_bytes();
    let mut encoded = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().copied().enumerate() {
        if is_plain(byte) || (byte == b'.' && is_lone_dot(bytes, at)) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "={byte:02X}").expect("a string takes any text");
        }
    }
    encoded
}

/// The key that was encoded. None for what another client wrote and [`encode_key`] would not.
pub(crate) fn decode_key(encoded: &str) -> Option<Key> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'=' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    let key = Key::new(std::str::from_utf8(&bytes).ok()?).ok()?;
    (encode_key(&key) == encoded).then_some(key)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/')
}

fn is_lone_dot(bytes: &[u8], at: usize) -> bool {
    let is_other = |at: usize| bytes.get(at).is_some_and(|byte| *byte != b'.');
    at > 0 && is_other(at - 1) && is_other(at + 1)
}

#[cfg(test)]
mod tests {
    use wrt_keyvalue::limits::{BUCKET_BYTES_MAX, KEY_BYTES_MAX};

    use super::*;
    use crate::config::PREFIX_BYTES_MAX;

    #[test]
    fn keys_are_legal_and_come_back() {
        let cases = [
            ("visits", "visits"),
            ("user.7/name", "user.7/name"),
            ("a:b", "a=3Ab"),
            ("=41", "=3D41"),
            (".", "=2E"),
            (".a..b.", "=2Ea=2E=2Eb=2E"),
            ("a.*.>", "a.=2A.=3E"),
            ("ü", "=C3=BC"),
            ("\0 ", "=00=20"),
        ];
        for (name, expected) in cases {
            let key = Key::new(name).unwrap();
            assert_eq!(encode_key(&key), expected);
            assert_eq!(decode_key(expected), Some(key));
        }
    }

    #[test]
    fn what_others_wrote_is_no_key() {
        for foreign in ["=41", "=", "=4", "=zz", "=FF", "=c3=bc", "a..b", "=+1"] {
            assert_eq!(decode_key(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn buckets_are_apart() {
        let name = |bucket: &str| stream_name("guest-", &Bucket::new(bucket).unwrap());
        assert_eq!(name("default"), "KV_guest-default");
        assert_eq!(name("a_b.c"), "KV_guest-a_5Fb_2Ec");
        assert_ne!(name("a_5F"), name("a_"));
        assert_ne!(name("_answers"), answers_stream_name("guest-"));
    }

    /// Of apps whose names go on in each other's, or end like what stands behind them.
    #[test]
    fn apps_are_apart() {
        let name = |app: &str, bucket: &str| {
            stream_name(&format!("guest-{app}_-"), &Bucket::new(bucket).unwrap())
        };
        assert_eq!(name("shop", "default"), "KV_guest-shop_-default");
        let mut names = std::collections::BTreeSet::new();
        let apps = ["a", "a_", "a-", "a_-", "a_-b", "a-b", "a_5f"];
        let buckets = ["b", "_b", "-b", "_-b", "5F", "_5Fb", "default"];
        for app in apps {
            names.extend(buckets.map(|bucket| name(app, bucket)));
        }
        assert_eq!(names.len(), apps.len() * buckets.len());
    }

    #[test]
    fn the_longest_names_fit_the_servers_limits() {
        let bucket = Bucket::new(&"*".repeat(BUCKET_BYTES_MAX)).unwrap();
        let key = Key::new(&"*".repeat(KEY_BYTES_MAX)).unwrap();
        let stream = stream_name(&"p".repeat(PREFIX_BYTES_MAX), &bucket);
        assert!(stream.len() <= 255, "{}", stream.len());
        // The longest line is that of a direct get; the reply's subject takes some 80 bytes.
        let subject = subject_prefix(&"p".repeat(PREFIX_BYTES_MAX), &bucket) + &encode_key(&key);
        assert!(
            subject.len() + stream.len() + 200 <= 4096,
            "{}",
            subject.len()
        );
    }
}
