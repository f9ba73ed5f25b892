//! A value that nobody prints, and that leaves no copy of itself.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wrt_contract::Schema;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Limit, VaultError, Version, limits::VALUE_BYTES_MAX};

/// Bytes of a secret: at most [`VALUE_BYTES_MAX`]. `Debug` shows none of them, and their memory is zeroed
/// when this is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

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
        let bytes = Zeroizing::new(bytes);
        Limit::ValueBytes.check(bytes.len(), VALUE_BYTES_MAX)?;
        Ok(Self(bytes))
    }

    /// The bytes, for whoever stores them or gives them to the guest.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, which are the caller's to zero from now on.
    #[must_use]
    pub fn into_exposed(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// On the bus it is bytes.
impl Schema for SecretValue {
    const FINGERPRINT: u64 = <Bytes as Schema>::FINGERPRINT;
}

/// As bytes; as base64 where people may read it.
impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self.expose());
        }
        let text = Zeroizing::new(STANDARD.encode(self.expose()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Reader)
        } else {
            deserializer.deserialize_bytes(Reader)
        }
    }
}

struct Reader;

impl de::Visitor<'_> for Reader {
    type Value = SecretValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a secret")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<SecretValue, E> {
        SecretValue::new(bytes.to_vec()).map_err(E::custom)
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<SecretValue, E> {
        SecretValue::new(bytes).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretValue, E> {
        // What the decoder says quotes a byte of it.
        let bytes = STANDARD.decode(text);
        let bytes = bytes.map_err(|_quotes_it| E::custom("a value is not base64"))?;
        SecretValue::new(bytes).map_err(E::custom)
    }

    fn visit_string<E: de::Error>(self, mut text: String) -> Result<SecretValue, E> {
        let value = self.visit_str(&text);
        text.zeroize();
        value
    }
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
        assert_eq!(
            bytes,
            postcard::to_stdvec(&Bytes::from(value.into_exposed())).unwrap()
        );
        let long = Bytes::from(vec![7; VALUE_BYTES_MAX + 1]);
        let long = postcard::to_stdvec(&long).unwrap();
        assert!(postcard::from_bytes::<SecretValue>(&long).is_err());
        let error = serde_json::from_str::<SecretValue>("\"hu!sh\"").unwrap_err();
        assert!(!error.to_string().contains("hu!sh"), "{error}");
    }
}
