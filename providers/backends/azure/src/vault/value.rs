//! Any bytes as a text, which is what the vault keeps.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wrt_vault::{Limit, SecretValue, VaultError};
use zeroize::Zeroizing;

/// Bytes of a text in the vault.
const TEXT_BYTES_MAX: usize = 25_000;

/// What a text is marked with that stands for bytes.
const BASE64: &str = "application/octet-stream; encoding=base64";

/// The text of no bytes at all, since the vault takes no empty one: the padding of nothing.
const NOTHING: &str = "=";

/// The text, and what it is marked with. What is a text is kept as it is, so that others read it.
///
/// # Errors
/// [`VaultError::OverLimit`].
pub(super) fn encode(
    value: &SecretValue,
) -> Result<(Zeroizing<String>, Option<String>), VaultError> {
    let bytes = value.expose();
    let is_text = !bytes.is_empty() && !bytes.contains(&0);
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_text);
    match text {
        Some(text) => {
            Limit::ValueBytes.check(bytes.len(), TEXT_BYTES_MAX)?;
            Ok((Zeroizing::new(text.to_owned()), None))
        }
        None => {
            Limit::ValueBytes.check(bytes.len(), TEXT_BYTES_MAX / 4 * 3)?;
            let text = match bytes {
                [] => NOTHING.to_owned(),
                bytes => STANDARD.encode(bytes),
            };
            let text = Zeroizing::new(text);
            Ok((text, Some(BASE64.to_owned())))
        }
    }
}

/// What a text stands for, whoever has written it.
///
/// # Errors
/// [`VaultError::Other`] where it is not what it is marked as.
pub(super) fn decode(text: String, content_type: Option<&str>) -> Result<SecretValue, VaultError> {
    if content_type != Some(BASE64) {
        return SecretValue::new(text.into_bytes());
    }
    let text = Zeroizing::new(text);
    if text.as_str() == NOTHING {
        return SecretValue::new(Vec::new());
    }
    // What the decoder says quotes a byte of it.
    let bytes = STANDARD.decode(text.as_bytes());
    let bytes =
        bytes.map_err(|_quotes_it| VaultError::other("a value is marked as base64, and is none"));
    SecretValue::new(bytes?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_it_is_and_anything_comes_back() {
        for (bytes, marked) in [
            (&b"hush"[..], false),
            ("\u{1F511} \n\t\"".as_bytes(), false),
            (b"", true),
            (b"\0", true),
            (b"\xff", true),
        ] {
            let value = SecretValue::new(bytes.to_vec()).unwrap();
            let (text, content_type) = encode(&value).unwrap();
            assert_eq!(content_type.is_some(), marked, "{bytes:?}");
            if !marked {
                assert_eq!(text.as_bytes(), bytes);
            }
            assert!(!text.is_empty());
            let back = decode(text.to_string(), content_type.as_deref());
            assert_eq!(back, Ok(value));
        }
        assert!(decode("hu!sh".to_owned(), Some(BASE64)).is_err());
        assert!(decode("hu!sh".to_owned(), Some("text/plain")).is_ok());
    }

    #[test]
    fn what_the_vault_has_no_room_for_is_refused() {
        for (byte, max) in [(b'x', 25_000), (0xff, 18_750)] {
            let value = |length| SecretValue::new(vec![byte; length]).unwrap();
            let (text, _) = encode(&value(max)).unwrap();
            assert_eq!(text.len(), 25_000);
            assert!(encode(&value(max + 1)).is_err());
        }
    }
}
