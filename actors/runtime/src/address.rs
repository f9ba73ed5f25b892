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
        let pieces = self.reveal().split(',').map(str::trim);
        pieces.filter(|piece| !piece.is_empty())
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

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<&str> = self.reveal_each().collect();
        let last_secret = pieces.iter().rposition(|piece| piece.contains('@'));
        for (at, piece) in pieces.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            // A password may hold a comma, so what stands before the last @ may be a part of one.
            let is_doubtful = last_secret.is_some_and(|last| at < last);
            write!(f, "{comma}{}", shown(piece, is_doubtful))?;
        }
        Ok(())
    }
}

fn shown(piece: &str, is_doubtful: bool) -> String {
    let (scheme, rest) = match piece.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), piece),
    };
    // The last @ of all: a password that was not escaped may hold some, or a slash.
    let (secret, rest) = match rest.rsplit_once('@') {
        Some((_secret, rest)) => ("***@", rest),
        None if is_doubtful && rest.contains(':') => return format!("{scheme}{REDACTED}"),
        None => ("", rest),
    };
    let rest = match rest.split_once('?') {
        Some((place, _parameters)) => format!("{place}?{REDACTED}"),
        None => rest.to_owned(),
    };
    format!("{scheme}{secret}{rest}")
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
                "nats://***@one:4222,two,tls://***@three",
            ),
            ("nats://a:hunt,er2@one", "nats://***,***@one"),
            ("hunter2@one", "***@one"),
            ("mongodb://one/?password=hunter2", "mongodb://one/?***"),
            ("kafka-1:9092,kafka-2:9092", "kafka-1:9092,kafka-2:9092"),
        ] {
            let address = ServiceAddress::new(address);
            assert_eq!(address.to_string(), expected);
            assert!(!format!("{address:?}").contains("hunt"), "{address:?}");
        }
    }
}
