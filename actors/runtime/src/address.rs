//! Where a service is, with what it takes to get in.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// The address of a service, or of several with commas between them; may hold passwords and tokens,
/// and is shown without them. What it means is its driver's business: not every broker's address is
/// a URL.
#[derive(Clone)]
pub struct ServiceAddress(SecretString);

const REDACTED: &str = "***";

impl ServiceAddress {
    /// The address as it was written.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self(SecretString::from(address.into()))
    }

    /// All of it, for the driver.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// Each of several addresses, for the driver.
    pub fn reveal_each(&self) -> impl Iterator<Item = &str> {
        pieces(self.reveal())
    }
}

impl FromStr for ServiceAddress {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

impl<'de> Deserialize<'de> for ServiceAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The scheme, and what stands between the last `@` and the first `?`. A secret that nobody escaped may
/// hold any of the marks that addresses are made of: so whatever may be a part of one is left out, also
/// where it is a host.
impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = split_scheme(self.reveal().trim());
        f.write_str(scheme)?;
        let place = match (rest.rfind('@'), rest.find('?')) {
            // A password with a question mark, or a parameter with an @.
            (Some(at), Some(question)) if question < at => return f.write_str(REDACTED),
            (Some(at), _) => {
                write!(f, "{REDACTED}@")?;
                &rest[at + 1..]
            }
            (None, _) => rest,
        };
        let (place, parameters) = match place.split_once('?') {
            Some((place, _parameters)) => (place, format!("?{REDACTED}")),
            None => (place, String::new()),
        };
        let pieces: Vec<&str> = pieces(place).collect();
        write!(f, "{}{parameters}", pieces.join(","))
    }
}

/// A scheme with its `://`, or nothing, and the rest. What has a mark of another kind in front of those
/// is none: it may be a password.
fn split_scheme(text: &str) -> (&str, &str) {
    const MARK: &str = "://";
    let is_scheme = |text: &str| {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_legal)
    };
    match text.find(MARK) {
        Some(at) if is_scheme(&text[..at]) => text.split_at(at + MARK.len()),
        _ => ("", text),
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.split(',').map(str::trim);
    pieces.filter(|piece| !piece.is_empty())
}

impl fmt::Debug for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl PartialEq for ServiceAddress {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Eq for ServiceAddress {}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample};

    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        for (address, expected) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            (
                "rediss://user:hunter2@cache:6380/3",
                "rediss://***@cache:6380/3",
            ),
            ("redis://:hunt/er@2@cache", "redis://***@cache"),
            (
                "nats://a:hunter2@one:4222, two,tls://hunter2@three",
                "nats://***@three",
            ),
            ("nats://a:hunt,er2@one", "nats://***@one"),
            ("nats://a:hunt,er2,hunt@one, two", "nats://***@one,two"),
            ("nats://a:hunt,er2://er@one", "nats://***@one"),
            ("a:hunt://er@one", "***@one"),
            ("redis://:hunt?er2@one", "redis://***"),
            ("hunter2@one", "***@one"),
            (
                "mongodb://u:p@h/?authMechanismProperties=A:1,AWS_SESSION_TOKEN:hunter2",
                "mongodb://***@h/?***",
            ),
            ("postgres://db/app?password=hunt@er2", "postgres://***"),
            ("mongodb://one/?password=hunter2", "mongodb://one/?***"),
            ("kafka-1:9092,kafka-2:9092", "kafka-1:9092,kafka-2:9092"),
        ] {
            let address = ServiceAddress::new(address);
            assert_eq!(address.to_string(), expected);
            let shown = format!("{address:?}");
            assert!(!shown.contains("hunt") && !shown.contains("er2"), "{shown}");
        }
    }

    /// All in small letters but the place of the secret, which has none.
    const WITH_A_SECRET: &[&str] = &[
        "redis://{}@cache:6380/3",
        "nats://user:{}@one:4222, two",
        "nats://one, user:{}@two",
        "postgres://db/app?password={}",
        "mongodb://user:{}@one,two/?tls=true",
        "mongodb://user@one/?properties=a:1,token:{}&tls=true",
        "user:{}@one",
        "kafka-1:9092,kafka-2:9092?password={}",
    ];

    proptest! {
        #[test]
        fn no_part_of_a_secret_is_shown(
            form in sample::select(WITH_A_SECRET),
            secret in "[A-Z@/,:?#&=%. ]{1,24}",
        ) {
            let address = ServiceAddress::new(form.replace("{}", &secret));
            let shown = format!("{address} {address:?}");
            prop_assert!(!shown.contains(|c: char| c.is_ascii_uppercase()), "{}", shown);
        }
    }
}
