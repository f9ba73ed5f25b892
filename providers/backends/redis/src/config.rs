//! How the provider is set up.

use std::{env::VarError, fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// The environment variable with the URL.
const URL_VARIABLE: &str = "REDIS_URL";

/// A Redis server and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// `redis://` or `rediss://` (TLS), with user, password and database number where needed.
    pub url: RedisUrl,
    /// How long one attempt to connect may take, in milliseconds.
    pub connect_timeout_millis: u64,
    /// For how long the first answer of an increment or a swap is given again under the same
    /// idempotency key: at least a second. The server keeps each for so long, under a key of its own,
    /// and the user of the URL must be allowed to write keys that start with `:answer:`. A server
    /// that fails over may lose them with its last writes.
    pub deduplicate_for_ms: Option<u64>,
}

/// The shortest time to deduplicate for: a call and its repetition must fit.
const DEDUPLICATE_FOR_MIN: Duration = Duration::from_secs(1);

/// A URL that may hold a password: shown without it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedisUrl(String);

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that is not text.
    #[error("the environment variable {name} is not valid unicode")]
    NotUnicode {
        /// Its name.
        name: &'static str,
    },
    /// A time in which no call can be repeated.
    #[error("deduplicate_for_ms = {millis}: use at least 1000")]
    DeduplicateFor {
        /// The time.
        millis: u64,
    },
}

impl RedisConfig {
    /// From `REDIS_URL`, or the local server where that is not set.
    ///
    /// # Errors
    /// When the variable is not text.
    pub fn from_env() -> Result<Self, ConfigError> {
        match std::env::var(URL_VARIABLE) {
            Ok(url) => Ok(Self {
                url: RedisUrl::new(url),
                ..Self::default()
            }),
            Err(VarError::NotPresent) => Ok(Self::default()),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode { name: URL_VARIABLE }),
        }
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self.deduplicate_for_ms {
            Some(millis) if Duration::from_millis(millis) < DEDUPLICATE_FOR_MIN => {
                Err(ConfigError::DeduplicateFor { millis })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_millis)
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: RedisUrl::new("redis://127.0.0.1:6379"),
            connect_timeout_millis: 2000,
            deduplicate_for_ms: None,
        }
    }
}

impl RedisUrl {
    /// The URL as it was written; it is checked when the provider connects.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// With the password.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        // The last @ of all: a password that was not escaped may hold some, or a slash.
        let (secret, rest) = rest
            .rsplit_once('@')
            .map_or(("", rest), |(_, rest)| ("***@", rest));
        write!(f, "{scheme}://{secret}{rest}")
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let config = |deduplicate_for_ms| RedisConfig {
            deduplicate_for_ms,
            ..RedisConfig::default()
        };
        assert!(config(None).check().is_ok());
        assert!(config(Some(1000)).check().is_ok());
        assert!(config(Some(999)).check().is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        let cases = [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            (
                "rediss://user:hunter2@cache:6380/3",
                "rediss://***@cache:6380/3",
            ),
            ("redis://:hunter2@cache", "redis://***@cache"),
            ("redis://:hunt/er@2@cache", "redis://***@cache"),
        ];
        for (url, shown) in cases {
            let config = RedisConfig {
                url: RedisUrl::new(url),
                ..RedisConfig::default()
            };
            assert_eq!(config.url.to_string(), shown);
            assert!(!format!("{config:?}").contains("hunt"));
        }
    }
}
