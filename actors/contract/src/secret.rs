//! Bytes that nobody prints, and that leave no copy of themselves.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Schema;

/// Bytes of a secret. `Debug` shows none of them, and their memory is zeroed when this is dropped, as it is
/// for each clone. What lies outside of it is not zeroed: the buffers of a bus, and those of a service's
/// client.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes `bytes` over, without a copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for whoever stores them or hands them on.
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

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// On the bus it is bytes.
impl Schema for SecretBytes {
    const FINGERPRINT: u64 = <Bytes as Schema>::FINGERPRINT;
}

/// As bytes; as base64 where people may read it.
impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self.expose());
        }
        let text = Zeroizing::new(STANDARD.encode(self.expose()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
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
    type Value = SecretBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a secret")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<SecretBytes, E> {
        Ok(SecretBytes::new(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<SecretBytes, E> {
        Ok(SecretBytes::new(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretBytes, E> {
        // What the decoder says quotes a byte of it.
        let bytes = STANDARD.decode(text);
        let bytes = bytes.map_err(|_quotes_it| E::custom("a secret is not base64"))?;
        Ok(SecretBytes::new(bytes))
    }

    fn visit_string<E: de::Error>(self, mut text: String) -> Result<SecretBytes, E> {
        let value = self.visit_str(&text);
        text.zeroize();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let shown = format!("{:?}", SecretBytes::new(b"hush".to_vec()));
        assert!(!shown.contains("hush") && !shown.contains("104"), "{shown}");
    }

    #[test]
    fn a_secret_is_as_it_was_in_either_form() {
        let secret = SecretBytes::new((0..=255).collect());
        let text = serde_json::to_vec(&secret).unwrap();
        assert_eq!(
            serde_json::from_slice::<SecretBytes>(&text).unwrap(),
            secret
        );
        let bytes = postcard::to_stdvec(&secret).unwrap();
        assert_eq!(postcard::from_bytes::<SecretBytes>(&bytes).unwrap(), secret);
        let as_bytes = postcard::to_stdvec(&Bytes::from(secret.into_exposed())).unwrap();
        assert_eq!(bytes, as_bytes);
        let error = serde_json::from_str::<SecretBytes>("\"hu!sh\"").unwrap_err();
        assert!(!error.to_string().contains("hu!sh"), "{error}");
    }
}
