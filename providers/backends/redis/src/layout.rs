//! Where a guest's key is in Redis.
//!
//! The provider's prefix, `:`, the bucket, `:`, the key: `shop:default:visits`. Without a prefix the bucket
//! comes first. In the bucket's name `%` stands as `%25` and `:` as `%3A`, and a prefix has neither, so
//! no two pairs of bucket and key meet, nor those of two prefixes. The key is as the guest wrote it.
//! There is no special bucket: `default` has its name like any other, since one without would list the
//! keys of all the others.
//!
//! No bucket's name is empty, so what starts with `:` belongs to none: the first answers of operations
//! that may come again are there.

use wrt_keyvalue::{Bucket, Key};
use wrt_protocol::IdempotencyKey;

/// Where the buckets of a provider are.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// What all its keys start with.
    start: String,
}

impl Layout {
    /// Under this prefix, or without any where it is empty.
    pub(crate) fn under(prefix: &str) -> Self {
        let start = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}:"),
        };
        Self { start }
    }

    /// The key in Redis.
    pub(crate) fn key(&self, bucket: &Bucket, key: &Key) -> Vec<u8> {
        let mut redis_key = self.start_of(bucket).into_bytes();
        redis_key.extend_from_slice(key.as_str().as_bytes());
        redis_key
    }

    /// What all keys of a bucket start with.
    pub(crate) fn start_of(&self, bucket: &Bucket) -> String {
        let bucket = bucket.as_str().replace('%', "%25").replace(':', "%3A");
        format!("{}{bucket}:", self.start)
    }

    /// A pattern that matches the keys of a bucket, and nothing else.
    pub(crate) fn pattern(&self, bucket: &Bucket) -> String {
        let mut pattern = String::new();
        for character in self.start_of(bucket).chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }
}

/// Where the first answer of an operation is.
pub(crate) fn answer_key(key: IdempotencyKey) -> String {
    format!(":answer:{key}")
}

/// The guest's key, if `redis_key` is one of the bucket whose keys start so. Another client may have
/// written what is no key of ours: not text, or too long.
pub(crate) fn guest_key(start: &str, redis_key: &[u8]) -> Option<Key> {
    let name = redis_key.strip_prefix(start.as_bytes())?;
    Key::new(std::str::from_utf8(name).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_apart_and_come_back() {
        let cases = [
            ("", "default", "visits", "default:visits"),
            ("shop", "default", "visits", "shop:default:visits"),
            ("", "a:b", "c", "a%3Ab:c"),
            ("", "a", "b:c", "a:b:c"),
            ("", "a%3Ab", "c", "a%253Ab:c"),
            ("", "a", "*", "a:*"),
        ];
        for (prefix, bucket, name, expected) in cases {
            let layout = Layout::under(prefix);
            let (bucket, key) = (Bucket::new(bucket).unwrap(), Key::new(name).unwrap());
            let redis_key = layout.key(&bucket, &key);
            assert_eq!(redis_key, expected.as_bytes());
            assert_eq!(guest_key(&layout.start_of(&bucket), &redis_key), Some(key));
        }
    }

    #[test]
    fn a_pattern_is_literal_but_for_its_end() {
        let bucket = Bucket::new("a*[b]\\").unwrap();
        assert_eq!(
            Layout::under("my-shop").pattern(&bucket),
            "my\\-shop:a\\*\\[b\\]\\\\:*"
        );
    }
}
