//! A locker and a secret's name as one name of the vault's, and back.
//!
//! The vault's names are of letters, digits and dashes, and know no case. So small letters, digits, and a dash
//! before one of them, are as they are; two dashes begin what stands for something else:
//!
//! | in the vault | is |
//! |---|---|
//! | `---` | the end of the locker's name |
//! | `--a` to `--z` | a capital |
//! | `--0` to `--8` | one of `-` `_` `.` `/` space `:` `@` `+` `=` |
//! | `--9` and two hexadecimal digits | any other byte |
//!
//! The secret `db-password` in the locker `shop` is `shop---db-password`.

use wrt_vault::{Limit, LockerName, SecretName, VaultError};

/// Letters, digits and dashes of a name in the vault.
pub const NAME_CHARS_MAX: usize = 127;

/// What `--0` to `--8` stand for.
const FREQUENT: &[u8; 9] = b"-_./ :@+=";
/// Before the digits of a byte.
const BYTE: u8 = b'9';

/// The name in the vault.
///
/// # Errors
/// [`VaultError::OverLimit`] where it has more than [`NAME_CHARS_MAX`] characters.
pub fn encode(locker: &LockerName, name: &SecretName) -> Result<String, VaultError> {
    let mut encoded = String::new();
    escape(locker.as_str(), &mut encoded);
    encoded.push_str("---");
    escape(name.as_str(), &mut encoded);
    Limit::NameBytes.check(encoded.len(), NAME_CHARS_MAX)?;
    Ok(encoded)
}

/// The name of a secret in the locker; none of one in another locker, or that was not written here.
#[must_use]
pub fn decode(locker: &LockerName, encoded: &str) -> Option<SecretName> {
    let encoded = encoded.to_ascii_lowercase();
    let mut start = String::new();
    escape(locker.as_str(), &mut start);
    let rest = encoded.strip_prefix(&start)?.strip_prefix("---")?;
    let name = SecretName::new(&unescape(rest)?).ok()?;
    // Of the many ways to write a name one counts.
    (encode(locker, &name).ok()? == encoded).then_some(name)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn escape(text: &str, encoded: &mut String) {
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let is_before_plain = bytes.peek().copied().is_some_and(is_plain);
        if is_plain(byte) || (byte == b'-' && is_before_plain) {
            encoded.push(char::from(byte));
            continue;
        }
        encoded.push_str("--");
        let frequent = FREQUENT.iter().zip(b'0'..);
        match frequent.into_iter().find(|(known, _)| **known == byte) {
            Some((_, digit)) => encoded.push(char::from(digit)),
            None if byte.is_ascii_uppercase() => {
                encoded.push(char::from(byte.to_ascii_lowercase()));
            }
            None => encoded.push_str(&format!("{}{byte:02x}", char::from(BYTE))),
        }
    }
}

fn unescape(encoded: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), encoded.as_bytes());
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'-', b'-', BYTE, high, low, rest @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = digit(*high)? * 16 + digit(*low)?;
                bytes.push(u8::try_from(byte).ok()?);
                rest
            }
            [b'-', b'-', code @ b'0'..=b'8', rest @ ..] => {
                bytes.push(FREQUENT[usize::from(code - b'0')]);
                rest
            }
            [b'-', b'-', letter @ b'a'..=b'z', rest @ ..] => {
                bytes.push(letter.to_ascii_uppercase());
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(locker: &str, name: &str) -> (LockerName, SecretName) {
        let (locker, name) = (LockerName::new(locker), SecretName::new(name));
        (locker.unwrap(), name.unwrap())
    }

    #[test]
    fn usual_names_are_as_they_are() {
        for (locker, name, expected) in [
            ("shop", "db-password", "shop---db-password"),
            ("a-b", "-c", "a-b----c"),
            ("a-", "-", "a--0-----0"),
            ("a", "b--c", "a---b--0-c"),
            ("A_b", "x.Y/z w", "--a--1b---x--2--y--3z--4w"),
            ("\u{e4}", "\0", "--9c3--9a4-----900"),
        ] {
            let (locker, name) = names(locker, name);
            let encoded = encode(&locker, &name).unwrap();
            assert_eq!(encoded, expected);
            assert_eq!(decode(&locker, &encoded), Some(name.clone()));
            assert_eq!(decode(&locker, &encoded.to_uppercase()), Some(name));
        }
    }

    #[test]
    fn what_was_not_written_here_is_nobodys() {
        let (locker, _) = names("shop", "x");
        for encoded in [
            "shop",
            "shop---",
            "shop---a--",
            "shop---a--94",
            "shop---a--9zz",
            "shop---a--961",
            "shop---a--0b",
            "shop---a-",
            "shop---a--9ff",
            "shop--1--a",
            "shop-2---a",
            "other---a",
        ] {
            assert_eq!(decode(&locker, encoded), None, "{encoded}");
        }
    }

    #[test]
    fn a_name_that_has_no_room_is_refused() {
        let (locker, name) = names(&"l".repeat(60), &"n".repeat(64));
        assert_eq!(encode(&locker, &name).unwrap().len(), NAME_CHARS_MAX);
        let (_, name) = names("l", &"n".repeat(65));
        let refused = encode(&locker, &name);
        let Err(VaultError::OverLimit { limit, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(limit, Limit::NameBytes);
    }

    proptest! {
        #[test]
        fn any_name_comes_back_and_is_nobody_elses(
            locker in "[-aZ_0\u{e4}]{1,6}",
            name in "[-bY.9\u{1F511}]{1,6}",
            other in "[-aZ_0\u{e4}]{1,6}",
        ) {
            let (locker, name) = names(&locker, &name);
            let encoded = encode(&locker, &name).unwrap();
            let is_legal = |byte: u8| is_plain(byte) || byte == b'-';
            prop_assert!(encoded.bytes().all(is_legal), "{}", encoded);
            prop_assert_eq!(decode(&locker, &encoded), Some(name));
            let (other, _) = names(&other, "x");
            prop_assert_eq!(decode(&other, &encoded).is_some(), other == locker);
        }
    }
}
