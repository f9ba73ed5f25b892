//! Names of buckets and keys: checked when they are made and when they are decoded, so that an
//! illegal one reaches no provider.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use wrt_contract::Schema;

use crate::{
    KeyValueError, Limit,
    limits::{BUCKET_BYTES_MAX, KEY_BYTES_MAX},
};

/// The bucket that an empty identifier opens.
const DEFAULT_BUCKET: &str = "default";

/// The name of a bucket: any text of 1 to [`BUCKET_BYTES_MAX`] bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Schema)]
pub struct Bucket(Arc<str>);

/// The name of a key in a bucket: any text of 1 to [`KEY_BYTES_MAX`] bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Schema)]
pub struct Key(Arc<str>);

impl Bucket {
    /// Checks `name` and makes it a bucket's. The empty name is the bucket `default`: some hosts
    /// know their only bucket by it, and components made for those open it so.
    ///
    /// # Errors
    /// [`KeyValueError::OverLimit`].
    pub fn new(name: &str) -> Result<Self, KeyValueError> {
        Limit::BucketBytes.check(name.len(), BUCKET_BYTES_MAX)?;
        if name.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self(DEFAULT_BUCKET.into())
    }
}

impl Key {
    /// Checks `name` and makes it a key.
    ///
    /// # Errors
    /// [`KeyValueError::EmptyName`] and [`KeyValueError::OverLimit`].
    pub fn new(name: &str) -> Result<Self, KeyValueError> {
        if name.is_empty() {
            return Err(KeyValueError::EmptyName);
        }
        Limit::KeyBytes.check(name.len(), KEY_BYTES_MAX)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.is_empty() {
            return Err(D::Error::custom(KeyValueError::EmptyName));
        }
        Self::new(&name).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_when_made_and_when_decoded() {
        for (length, legal) in [
            (0, false),
            (1, true),
            (KEY_BYTES_MAX, true),
            (KEY_BYTES_MAX + 1, false),
        ] {
            let name = "k".repeat(length);
            assert_eq!(Key::new(&name).is_ok(), legal, "{length} bytes");
            let encoded = postcard::to_stdvec(&name).unwrap();
            assert_eq!(
                postcard::from_bytes::<Key>(&encoded).is_ok(),
                legal,
                "{length} bytes"
            );
        }
        assert!(Bucket::new(&"b".repeat(BUCKET_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn the_empty_bucket_is_the_default_one() {
        assert_eq!(Bucket::new("").unwrap(), Bucket::new("default").unwrap());
    }
}
