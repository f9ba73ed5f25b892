//! How the provider is set up.

use std::time::Duration;

use wrt_keyvalue::limits::{CONNECT_TIMEOUT_MS, check_deduplicate_for};
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError, check_range};

/// As long as a prefix may be.
const PREFIX_BYTES_MAX: usize = 128;

/// A Redis server and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct RedisConfig {
    /// `redis://` or `rediss://` (TLS), with user, password and database number where needed.
    #[config(env = "REDIS_URL", default = "redis://127.0.0.1:6379")]
    pub url: ServiceAddress,
    /// What all its keys start with, with a `:` behind it: the app's name, so that no app finds the keys
    /// of another, or of a program that is no app. Two providers that are to share their buckets name
    /// the same one. Letters, digits, `-`, `_` and `.`; an empty one is for a database of its own.
    #[config(env = "REDIS_PREFIX", default = "{app}")]
    pub prefix: String,
    /// How long one attempt to connect may take, in milliseconds.
    #[config(env = "REDIS_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
    /// For how long the first answer of an increment or a swap is given again under the same
    /// idempotency key: 11 seconds to an hour. Callers try a call again whose budget is at least a
    /// second shorter; the default one is 10 seconds. The server keeps each answer for so long, under
    /// a key of its own, and the user of the URL must be allowed to write keys that start with
    /// `:answer:`. Each takes some 150 bytes, which the server's `maxmemory` alone bounds: a thousand
    /// operations a second are 2 MB for 11 seconds, and 540 MB for an hour. A server that fails over
    /// may lose answers with its last writes; one that evicts keys is refused when it is connected to,
    /// since it would lose them at any time.
    #[config(env = "REDIS_DEDUPLICATE_FOR_MS")]
    pub deduplicate_for_ms: Option<u64>,
}

impl RedisConfig {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.prefix.len() > PREFIX_BYTES_MAX || !self.prefix.bytes().all(legal) {
            return Err(SettingsError::Value {
                field: "prefix".to_owned(),
                message: format!(
                    "use at most {PREFIX_BYTES_MAX} letters, digits, '-', '_' and '.'"
                ),
            });
        }
        check_range(
            "connect_timeout_ms",
            self.connect_timeout_ms,
            CONNECT_TIMEOUT_MS,
        )?;
        check_deduplicate_for(self.deduplicate_for_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let config = RedisConfig::default;
        let deduplicating = |millis| RedisConfig {
            deduplicate_for_ms: Some(millis),
            ..config()
        };
        let unclear = RedisConfig {
            prefix: "a:b".to_owned(),
            ..config()
        };
        let impatient = RedisConfig {
            connect_timeout_ms: 0,
            ..config()
        };
        for (config, expected) in [
            (config(), None),
            (unclear, Some("prefix")),
            (impatient, Some("connect_timeout_ms")),
            (deduplicating(10_999), Some("deduplicate_for_ms")),
            (deduplicating(11_000), None),
            // It would have failed after the increment was done.
            (deduplicating(u64::MAX / 2), Some("deduplicate_for_ms")),
        ] {
            let refused = config.check().err();
            let field = refused.as_ref().and_then(SettingsError::field);
            assert_eq!(field, expected, "{config:?}");
        }
    }
}
