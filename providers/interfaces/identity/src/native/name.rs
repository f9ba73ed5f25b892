//! Identities and scopes: checked when they are made and when they are decoded.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{
    IdentityError, Limit,
    limits::{IDENTITY_BYTES_MAX, SCOPE_BYTES_MAX, SCOPES_MAX},
};

/// The name of an identity at its provider: any text of 1 to [`IDENTITY_BYTES_MAX`] bytes. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Schema)]
#[serde(try_from = "Arc<str>")]
pub struct IdentityName(Arc<str>);

/// What a token is for, in the words of who gives it: 1 to [`SCOPE_BYTES_MAX`] visible ASCII characters, none
/// of them a quote or a backslash (RFC 6749, section 3.3). Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Schema)]
#[serde(try_from = "Arc<str>")]
pub struct Scope(Arc<str>);

/// What one token is for: at most [`SCOPES_MAX`] scopes, in no order, each once. None at all are those that
/// the identity has by default.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, Schema,
)]
#[serde(try_from = "BTreeSet<Scope>")]
pub struct Scopes(BTreeSet<Scope>);

impl IdentityName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`IdentityError::OverLimit`] and [`IdentityError::Empty`].
    pub fn new(name: &str) -> Result<Self, IdentityError> {
        Self::try_from(Arc::from(name))
    }

    /// The provider's own one.
    #[must_use]
    pub fn own() -> Self {
        Self(Arc::from("default"))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Arc<str>> for IdentityName {
    type Error = IdentityError;

    fn try_from(name: Arc<str>) -> Result<Self, IdentityError> {
        Limit::IdentityBytes.check(name.len(), IDENTITY_BYTES_MAX)?;
        match name.is_empty() {
            true => Err(IdentityError::Empty),
            false => Ok(Self(name)),
        }
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scope {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Arc<str>> for Scope {
    type Error = IdentityError;

    fn try_from(scope: Arc<str>) -> Result<Self, IdentityError> {
        Limit::ScopeBytes.check(scope.len(), SCOPE_BYTES_MAX)?;
        if scope.is_empty() {
            return Err(IdentityError::Empty);
        }
        let is_legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        match scope.bytes().all(is_legal) {
            true => Ok(Self(scope)),
            false => Err(IdentityError::BadCharacter),
        }
    }
}

impl Scopes {
    /// Checks each one.
    ///
    /// # Errors
    /// As [`Scope`], and [`IdentityError::OverLimit`].
    pub fn new<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, IdentityError> {
        let scope = |text: T| Scope::try_from(Arc::from(text.as_ref()));
        let scopes: Result<BTreeSet<_>, _> = scopes.into_iter().map(scope).collect();
        scopes?.try_into()
    }

    /// Each once, in order of the alphabet.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(Scope::as_str)
    }
}

impl TryFrom<BTreeSet<Scope>> for Scopes {
    type Error = IdentityError;

    fn try_from(scopes: BTreeSet<Scope>) -> Result<Self, IdentityError> {
        Limit::Scopes.check(scopes.len(), SCOPES_MAX)?;
        Ok(Self(scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_illegal_name_or_scope_is_neither_made_nor_decoded() {
        for (length, legal) in [(0, false), (1, true), (64, true), (65, false)] {
            let text = "n".repeat(length);
            assert_eq!(IdentityName::new(&text).is_ok(), legal, "{length}");
            let encoded = serde_json::to_vec(&text).unwrap();
            let decoded = serde_json::from_slice::<IdentityName>(&encoded);
            assert_eq!(decoded.is_ok(), legal, "{length}");
        }
        for (scope, legal) in [
            ("https://vault.azure.net/.default", true),
            ("read:all", true),
            ("", false),
            ("two words", false),
            ("a\"", false),
            ("a\\", false),
            ("a\r\nb", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(Scopes::new([scope]).is_ok(), legal, "{scope:?}");
            let encoded = serde_json::to_vec(&[scope]).unwrap();
            let decoded = serde_json::from_slice::<Scopes>(&encoded);
            assert_eq!(decoded.is_ok(), legal, "{scope:?}");
        }
        let many = (0..=SCOPES_MAX).map(|number| number.to_string());
        assert!(Scopes::new(many).is_err());
    }

    #[test]
    fn scopes_have_no_order() {
        let one = Scopes::new(["b", "a", "b"]).unwrap();
        assert_eq!(one, Scopes::new(["a", "b"]).unwrap());
        assert_eq!(one.iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}
