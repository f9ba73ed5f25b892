//! Where a guest's key is in Redis.
//!
//! The bucket, `:`, the key: `default:visits`. In the bucket's name `%` stands as `%25` and `:` as
//! `%3A`, so the first `:` always ends it and no two pairs of bucket and key meet. The key is as the
//! guest wrote it. There is no special bucket: `default` has its prefix like any other, since one
//! without a prefix would list the keys of all the others.
//!
//! No bucket's name is empty, so what starts with `:` belongs to none: the first answers of operations
//! that may come again are there.

use wrt_keyvalue::{Bucket, Key};
use wrt_protocol::IdempotencyKey;

/// The key in Redis.
pub(crate) fn redis_key(bucket: &Bucket, key: &Key) -> Vec<u8> {
    let mut redis_key = prefix(bucket).into_bytes();
    redis_key.extend_from_slice(key.as_str().as_bytes());
    redis_key
}

/// Where the first answer of an operation is.
pub(crate) fn answer_key(key: IdempotencyKey) -> String {
    format!(":answer:{key}")
}

/// What all keys of a bucket start with.
pub(crate) fn prefix(bucket: &Bucket) -> String {
    let mut prefix = bucket.as_str().replace('%', "%25").replace(':', "%3A");
    prefix.push(':');
    prefix
}

/// A pattern that matches the keys of a bucket, and nothing else.
pub(crate) fn pattern(bucket: &Bucket) -> String {
    let mut pattern = String::new();
    for character in prefix(bucket).chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

/// The guest's key, if `redis_key` is one of the bucket with this prefix. Another client may have
/// written what is no key of ours: not text, or too long.
pub(crate) fn guest_key(prefix: &str, redis_key: &[u8]) -> Option<Key> {
    let name = redis_key.strip_prefix(prefix.as_bytes())?;
    Key::new(std::str::from_utf8(name).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_apart_and_come_back() {
        let cases = [
            ("default", "visits", "default:visits"),
            ("a:b", "c", "a%3Ab:c"),
            ("a", "b:c", "a:b:c"),
            ("a%3Ab", "c", "a%253Ab:c"),
            ("a", "*", "a:*"),
        ];
        for (bucket, name, expected) in cases {
            let (bucket, key) = (Bucket::new(bucket).unwrap(), Key::new(name).unwrap());
            let redis_key = redis_key(&bucket, &key);
            assert_eq!(redis_key, expected.as_bytes());
            assert_eq!(guest_key(&prefix(&bucket), &redis_key), Some(key));
        }
    }

    #[test]
    fn a_pattern_is_literal_but_for_its_end() {
        assert_eq!(
            pattern(&Bucket::new("a*[b]\\").unwrap()),
            "a\\*\\[b\\]\\\\:*"
        );
    }
}
