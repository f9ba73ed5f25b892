//! How the provider is set up.

use std::time::Duration;

use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError};

/// A Redis server and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct RedisConfig {
    /// `redis://` or `rediss://` (TLS), with user, password and database number where needed.
    #[config(env = "REDIS_URL", default = "redis://127.0.0.1:6379")]
    pub url: ServiceAddress,
    /// How long one attempt to connect may take, in milliseconds.
    #[config(env = "REDIS_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
    /// For how long the first answer of an increment or a swap is given again under the same
    /// idempotency key: at least a second. The server keeps each for so long, under a key of its own,
    /// and the user of the URL must be allowed to write keys that start with `:answer:`. A server
    /// that fails over may lose them with its last writes.
    #[config(env = "REDIS_DEDUPLICATE_FOR_MS")]
    pub deduplicate_for_ms: Option<u64>,
}

/// The shortest time to deduplicate for: a call and its repetition must fit.
const DEDUPLICATE_FOR_MIN: Duration = Duration::from_secs(1);

impl RedisConfig {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        match self.deduplicate_for_ms {
            Some(millis) if Duration::from_millis(millis) < DEDUPLICATE_FOR_MIN => {
                Err(SettingsError::Value {
                    field: "deduplicate_for_ms".to_owned(),
                    message: format!("{millis}: use at least 1000"),
                })
            }
            _ => Ok(()),
        }
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
        let config = |deduplicate_for_ms| RedisConfig {
            deduplicate_for_ms,
            ..RedisConfig::default()
        };
        assert!(config(None).check().is_ok());
        assert!(config(Some(1000)).check().is_ok());
        assert!(config(Some(999)).check().is_err());
    }
}
