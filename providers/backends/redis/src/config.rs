//! How the provider is set up.

use std::time::Duration;

use wrt_runtime::{FromEnv, ServiceAddress, Settings};

/// A Redis server and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct RedisConfig {
    /// `redis://` or `rediss://` (TLS), with user, password and database number where needed.
    #[config(env = "REDIS_URL", default = "redis://127.0.0.1:6379")]
    pub url: ServiceAddress,
    /// How long one attempt to connect may take, in milliseconds.
    #[config(env = "REDIS_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
}

impl RedisConfig {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}
