//! A value that nobody prints, and that leaves no copy of itself.

use serde::{Deserialize, Serialize};
use wrt_contract::{Schema, SecretBytes};

use crate::{Limit, VaultError, Version, limits::VALUE_BYTES_MAX};

/// Bytes of a secret: at most [`VALUE_BYTES_MAX`]. `Debug` shows none of them, and their memory is zeroed
/// when this is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SecretBytes")]
pub struct SecretValue(SecretBytes);

/// A value of a secret, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Secret {
    /// The value.
    pub value: SecretValue,
    /// Which one.
    pub version: Version,
}

impl SecretValue {
    /// Takes `bytes` over, without a copy.
    ///
    /// # Errors
    /// [`VaultError::OverLimit`]; the bytes are zeroed then too.
    pub fn new(bytes: Vec<u8>) -> Result<Self, VaultError> {
        SecretBytes::new(bytes).try_into()
    }

    /// The bytes, for whoever stores them or gives them to the guest.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The bytes, which are the caller's to zero from now on.
    #[must_use]
    pub fn into_exposed(self) -> Vec<u8> {
        self.0.into_exposed()
    }
}

impl TryFrom<SecretBytes> for SecretValue {
    type Error = VaultError;

    fn try_from(bytes: SecretBytes) -> Result<Self, VaultError> {
        Limit::ValueBytes.check(bytes.expose().len(), VALUE_BYTES_MAX)?;
        Ok(Self(bytes))
    }
}

/// On the bus it is bytes.
impl Schema for SecretValue {
    const FINGERPRINT: u64 = SecretBytes::FINGERPRINT;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_value() {
        let value = SecretValue::new(b"hush".to_vec()).unwrap();
        let version = Version::new("1").unwrap();
        let shown = format!("{:?}", Secret { value, version });
        assert!(!shown.contains("hush") && !shown.contains("104"), "{shown}");
    }

    #[test]
    fn a_value_is_as_it_was_in_either_form_and_checked_in_both() {
        let value = SecretValue::new((0..=255).collect()).unwrap();
        let text = serde_json::to_vec(&value).unwrap();
        assert_eq!(serde_json::from_slice::<SecretValue>(&text).unwrap(), value);
        let bytes = postcard::to_stdvec(&value).unwrap();
        assert_eq!(postcard::from_bytes::<SecretValue>(&bytes).unwrap(), value);
        let bare = SecretBytes::new(value.into_exposed());
        assert_eq!(bytes, postcard::to_stdvec(&bare).unwrap());
        let long = SecretBytes::new(vec![7; VALUE_BYTES_MAX + 1]);
        let (text, bytes) = (
            serde_json::to_vec(&long).unwrap(),
            postcard::to_stdvec(&long).unwrap(),
        );
        assert!(postcard::from_bytes::<SecretValue>(&bytes).is_err());
        assert!(serde_json::from_slice::<SecretValue>(&text).is_err());
    }
}
