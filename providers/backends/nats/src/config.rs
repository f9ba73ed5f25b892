//! How the provider is set up.

use std::{path::PathBuf, time::Duration};

use async_nats::jetstream::stream::StorageType;
use serde::{Deserialize, Serialize};
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError};

/// NATS servers, and how buckets are made there.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct NatsConfig {
    /// One server of a cluster, or several with commas between them: `nats://` or `tls://`, with
    /// user and password where needed.
    #[config(env = "NATS_ADDR", default = "nats://127.0.0.1:4222")]
    pub url: ServiceAddress,
    /// A file with a JWT and its key.
    #[config(env = "NATS_CREDENTIALS_FILE")]
    pub credentials_file: Option<PathBuf>,
    /// How long one attempt to connect may take, in milliseconds.
    #[config(env = "NATS_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
    /// What the names of all buckets start with; letters, digits and `-`. A guest that may open any
    /// bucket must not find those of others, so an empty one is for an account of its own.
    #[config(env = "NATS_BUCKET_PREFIX", default = "guest-")]
    pub bucket_prefix: String,
    /// Copies of a new bucket in a cluster, 1 to 5. With one, a key is gone while its server is;
    /// with three, a write that was acknowledged survives the loss of one.
    #[config(env = "NATS_REPLICAS", default = 1)]
    pub replicas: usize,
    /// Where a new bucket is kept.
    #[config(env = "NATS_STORAGE", default = "file")]
    pub storage: NatsStorage,
    /// Buckets that may exist under the prefix: one more is refused. Guests name them, and each is
    /// a stream on the server.
    #[config(env = "NATS_BUCKETS_MAX", default = 256)]
    pub buckets_max: usize,
    /// For how long, at least, the first answer of an increment or a swap is given again under the
    /// same idempotency key: at least a second. Every writer then reads before it writes; and all
    /// providers of the same buckets must be told so, because one that was not loses answers.
    #[config(env = "NATS_DEDUPLICATE_FOR_MS")]
    pub deduplicate_for_ms: Option<u64>,
    /// The bucket that wasi:config reads, by its name on the server. Somebody else makes and writes
    /// it: each change is seen, and a bucket that is gone leaves the last known settings.
    #[config(env = "NATS_CONFIG_BUCKET")]
    pub config_bucket: Option<String>,
}

/// The shortest time to deduplicate for: a call and its repetition must fit.
const DEDUPLICATE_FOR_MIN: Duration = Duration::from_secs(1);

/// Where a bucket is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NatsStorage {
    /// On disk. What is acknowledged has reached the server, and its disk only at the server's next
    /// sync.
    #[default]
    File,
    /// In the server's memory.
    Memory,
}

impl NatsConfig {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let prefix = &self.bucket_prefix;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if prefix.len() > 32 || !prefix.bytes().all(legal) {
            return Err(SettingsError::Value {
                field: "bucket_prefix".to_owned(),
                message: "use at most 32 letters, digits and '-'".to_owned(),
            });
        }
        let may_be_read = |bucket: &&String| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !bucket.is_empty() && bucket.bytes().all(legal) && !bucket.starts_with("wrt-")
        };
        if let Some(bucket) = self
            .config_bucket
            .as_ref()
            .filter(|bucket| !may_be_read(bucket))
        {
            return Err(SettingsError::Value {
                field: "config_bucket".to_owned(),
                message: format!(
                    "{bucket:?} is not a bucket of settings: use letters, digits, '-' and '_', and \
                     no name that starts with \"wrt-\", which are the lattice's own"
                ),
            });
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(SettingsError::Value {
                field: "replicas".to_owned(),
                message: format!("JetStream keeps 1 to 5 copies, not {}", self.replicas),
            });
        }
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
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

impl From<NatsStorage> for StorageType {
    fn from(storage: NatsStorage) -> Self {
        match storage {
            NatsStorage::File => Self::File,
            NatsStorage::Memory => Self::Memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(NatsConfig::default().check().is_ok());
        assert!(
            NatsConfig {
                replicas: 6,
                ..NatsConfig::default()
            }
            .check()
            .is_err()
        );
        let bucket_prefix = "a.b".to_owned();
        assert!(
            NatsConfig {
                bucket_prefix,
                ..NatsConfig::default()
            }
            .check()
            .is_err()
        );
    }
}
