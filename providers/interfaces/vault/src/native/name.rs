//! Names, versions and cursors: checked when they are made and when they are decoded, so that an illegal
//! one reaches no vault.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{
    Limit, VaultError,
    limits::{CURSOR_BYTES_MAX, LOCKER_BYTES_MAX, NAME_BYTES_MAX, VERSION_BYTES_MAX},
};

/// The locker that an empty name opens.
const DEFAULT_LOCKER: &str = "default";

macro_rules! text {
    ($(#[$doc:meta])* $name:ident: 1..=$max:ident, $limit:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Schema,
        )]
        #[serde(try_from = "Arc<str>")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// [`VaultError::OverLimit`] and [`VaultError::Empty`].
            pub fn new(text: &str) -> Result<Self, VaultError> {
                Self::try_from(Arc::from(text))
            }

            /// As it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<Arc<str>> for $name {
            type Error = VaultError;

            fn try_from(text: Arc<str>) -> Result<Self, VaultError> {
                Limit::$limit.check(text.len(), $max)?;
                match text.is_empty() {
                    true => Err(VaultError::Empty),
                    false => Ok(Self(text)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// The name of a locker: any text of 1 to [`LOCKER_BYTES_MAX`] bytes. Cheap to clone.
    LockerName: 1..=LOCKER_BYTES_MAX, LockerBytes
}
text! {
    /// The name of a secret in a locker: any text of 1 to [`NAME_BYTES_MAX`] bytes. Cheap to clone.
    SecretName: 1..=NAME_BYTES_MAX, NameBytes
}
text! {
    /// What a value is known by. Only its vault knows what it means. Cheap to clone.
    Version: 1..=VERSION_BYTES_MAX, VersionBytes
}
text! {
    /// Where the next page of a listing starts; only its vault knows what it means.
    Cursor: 1..=CURSOR_BYTES_MAX, CursorBytes
}

impl LockerName {
    /// The locker that a guest opens by `name`, which may be empty.
    ///
    /// # Errors
    /// [`VaultError::OverLimit`].
    pub fn opened_by(name: &str) -> Result<Self, VaultError> {
        Self::new(if name.is_empty() {
            DEFAULT_LOCKER
        } else {
            name
        })
    }
}

/// A page of names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Schema)]
pub struct NamePage {
    /// In no particular order.
    pub names: Vec<SecretName>,
    /// Where the next page starts; none after the last one.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_illegal_name_is_neither_made_nor_decoded() {
        for (length, legal) in [
            (0, false),
            (1, true),
            (NAME_BYTES_MAX, true),
            (NAME_BYTES_MAX + 1, false),
        ] {
            let text = "n".repeat(length);
            assert_eq!(SecretName::new(&text).is_ok(), legal, "{length}");
            let encoded = serde_json::to_vec(&text).unwrap();
            let decoded = serde_json::from_slice::<SecretName>(&encoded);
            assert_eq!(decoded.is_ok(), legal, "{length}");
        }
        assert_eq!(LockerName::opened_by("").unwrap().as_str(), "default");
    }
}
