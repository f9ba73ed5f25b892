//! Names of containers and objects: checked when they are made and when they are decoded, so that an
//! illegal one reaches no provider.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use wrt_contract::Schema;

use crate::{
    BlobstoreError, Limit,
    limits::{CONTAINER_BYTES_MAX, OBJECT_BYTES_MAX},
};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $limit:ident, $bytes_max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Schema)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `name`.
            ///
            /// # Errors
            /// [`BlobstoreError::EmptyName`] and [`BlobstoreError::OverLimit`].
            pub fn new(name: &str) -> Result<Self, BlobstoreError> {
                if name.is_empty() {
                    return Err(BlobstoreError::EmptyName);
                }
                Limit::$limit.check(name.len() as u64, $bytes_max as u64)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Self::new(&name).map_err(D::Error::custom)
            }
        }
    };
}

name! {
    /// The name of a container: any text of 1 to [`CONTAINER_BYTES_MAX`] bytes. Cheap to clone.
    ContainerName, ContainerBytes, CONTAINER_BYTES_MAX
}

name! {
    /// The name of an object in a container: any text of 1 to [`OBJECT_BYTES_MAX`] bytes. Cheap to clone.
    ObjectName, ObjectBytes, OBJECT_BYTES_MAX
}

/// An object, wherever it is. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Schema)]
pub struct ObjectId {
    /// Its container.
    pub container: ContainerName,
    /// Its name there.
    pub object: ObjectName,
}

impl ObjectId {
    /// Checks both names.
    ///
    /// # Errors
    /// Those of [`ContainerName::new`] and [`ObjectName::new`].
    pub fn new(container: &str, object: &str) -> Result<Self, BlobstoreError> {
        Ok(Self {
            container: ContainerName::new(container)?,
            object: ObjectName::new(object)?,
        })
    }

    /// That it is not there.
    #[must_use]
    pub fn missing(&self) -> BlobstoreError {
        BlobstoreError::NoSuchObject(self.clone())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in container {:?}", self.object, self.container)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_illegal_name_is_not_decoded() {
        for (length, is_legal) in [(0, false), (1, true), (1024, true), (1025, false)] {
            let name = "o".repeat(length);
            assert_eq!(ObjectName::new(&name).is_ok(), is_legal, "{length}");
            let encoded = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&name);
            let decoded = ObjectName::deserialize(encoded);
            assert_eq!(decoded.is_ok(), is_legal, "{length}");
        }
        assert!(ContainerName::new(&"c".repeat(CONTAINER_BYTES_MAX + 1)).is_err());
    }
}
