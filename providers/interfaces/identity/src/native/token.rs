//! A token, which nobody prints.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wrt_contract::{Schema, SecretBytes};

use crate::{IdentityError, Limit, limits::TOKEN_BYTES_MAX};

/// The text of a token: 1 to [`TOKEN_BYTES_MAX`] visible ASCII characters, so that it fits into a header as it
/// is. `Debug` shows none of them, and their memory is zeroed when this is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SecretBytes")]
pub struct TokenValue(SecretBytes);

/// A token, and for how long it is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Token {
    /// The token.
    pub value: TokenValue,
    /// From when the provider has answered: no clock is shared.
    pub good_for: Duration,
}

impl TokenValue {
    /// Takes `text` over, without a copy.
    ///
    /// # Errors
    /// [`IdentityError::OverLimit`], [`IdentityError::Empty`] and [`IdentityError::BadCharacter`]; the text is
    /// zeroed then too.
    pub fn new(text: String) -> Result<Self, IdentityError> {
        SecretBytes::new(text.into_bytes()).try_into()
    }

    /// The text, for whoever shows it to a service or gives it to the guest.
    ///
    /// # Panics
    /// Never: it is ASCII.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.0.expose()).expect("a token is ASCII")
    }
}

impl TryFrom<SecretBytes> for TokenValue {
    type Error = IdentityError;

    fn try_from(bytes: SecretBytes) -> Result<Self, IdentityError> {
        let text = bytes.expose();
        Limit::TokenBytes.check(text.len(), TOKEN_BYTES_MAX)?;
        match text {
            [] => Err(IdentityError::Empty),
            text if text.iter().all(u8::is_ascii_graphic) => Ok(Self(bytes)),
            _ => Err(IdentityError::BadCharacter),
        }
    }
}

/// On the bus it is bytes.
impl Schema for TokenValue {
    const FINGERPRINT: u64 = SecretBytes::FINGERPRINT;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_into_a_header_and_is_not_shown() {
        for (text, legal) in [
            ("eyJ0.eyJh-_~+/=", true),
            ("", false),
            ("a b", false),
            ("a\r\nb", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(TokenValue::new(text.to_owned()).is_ok(), legal, "{text:?}");
            let bytes = SecretBytes::new(text.as_bytes().to_vec());
            let encoded = postcard::to_stdvec(&bytes).unwrap();
            let decoded = postcard::from_bytes::<TokenValue>(&encoded);
            assert_eq!(decoded.is_ok(), legal, "{text:?}");
        }
        let token = Token {
            value: TokenValue::new("hush".to_owned()).unwrap(),
            good_for: Duration::from_secs(1),
        };
        assert!(!format!("{token:?}").contains("hush"));
    }
}
