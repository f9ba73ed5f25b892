//! How the provider is set up.

use std::{env::VarError, fmt, path::PathBuf};

use async_nats::jetstream::stream::StorageType;
use serde::{Deserialize, Serialize};

/// The environment variable with the servers.
const ADDRESS_VARIABLE: &str = "NATS_ADDR";

/// NATS servers, and how buckets are made there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsConfig {
    /// One server of a cluster, or several with commas between them: `nats://` or `tls://`, with
    /// user and password where needed.
    pub url: NatsUrl,
    /// A file with a JWT and its key.
    pub credentials_file: Option<PathBuf>,
    /// How long one attempt to connect may take, in milliseconds.
    pub connect_timeout_millis: u64,
    /// What the names of all buckets start with; letters, digits and `-`. A guest that may open any
    /// bucket must not find those of others, so an empty one is for an account of its own.
    pub bucket_prefix: String,
    /// Copies of a new bucket in a cluster, 1 to 5. With one, a key is gone while its server is;
    /// with three, a write that was acknowledged survives the loss of one.
    pub replicas: usize,
    /// Where a new bucket is kept.
    pub storage: NatsStorage,
    /// Buckets that may exist under the prefix: one more is refused. Guests name them, and each is
    /// a stream on the server.
    pub buckets_max: usize,
    /// The bucket that wasi:config reads, by its name on the server. Somebody else makes and writes
    /// it: each change is seen, and a bucket that is gone leaves the last known settings.
    pub config_bucket: Option<String>,
}

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

/// Servers, perhaps with passwords: shown without them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NatsUrl(String);

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that is not text.
    #[error("the environment variable {name} is not valid unicode")]
    NotUnicode {
        /// Its name.
        name: &'static str,
    },
    /// A prefix that no bucket's name can start with.
    #[error("{prefix:?} is not a bucket prefix: use at most 32 letters, digits and '-'")]
    BucketPrefix {
        /// The prefix.
        prefix: String,
    },
    /// A bucket of settings that cannot exist, or is the lattice's own.
    #[error(
        "{bucket:?} is not a bucket of settings: use letters, digits, '-' and '_', and no name that \
         starts with \"wrt-\", which are the lattice's own"
    )]
    ConfigBucket {
        /// The bucket.
        bucket: String,
    },
    /// A number of copies that JetStream does not know.
    #[error("{replicas} replicas: use 1 to 5")]
    Replicas {
        /// The number.
        replicas: usize,
    },
}

impl NatsConfig {
    /// From `NATS_ADDR`, or the local server where that is not set.
    ///
    /// # Errors
    /// When the variable is not text.
    pub fn from_env() -> Result<Self, ConfigError> {
        match std::env::var(ADDRESS_VARIABLE) {
            Ok(url) => Ok(Self {
                url: NatsUrl::new(url),
                ..Self::default()
            }),
            Err(VarError::NotPresent) => Ok(Self::default()),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode {
                name: ADDRESS_VARIABLE,
            }),
        }
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let prefix = &self.bucket_prefix;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if prefix.len() > 32 || !prefix.bytes().all(legal) {
            return Err(ConfigError::BucketPrefix {
                prefix: prefix.clone(),
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
            return Err(ConfigError::ConfigBucket {
                bucket: bucket.clone(),
            });
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(ConfigError::Replicas {
                replicas: self.replicas,
            });
        }
        Ok(())
    }
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            url: NatsUrl::new("nats://127.0.0.1:4222"),
            credentials_file: None,
            connect_timeout_millis: 2000,
            bucket_prefix: "guest-".to_owned(),
            replicas: 1,
            storage: NatsStorage::default(),
            buckets_max: 256,
            config_bucket: None,
        }
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

impl NatsUrl {
    /// The servers as they were written; they are checked when the provider connects.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Each server, with its password.
    pub(crate) fn reveal(&self) -> impl Iterator<Item = &str> {
        self.0
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty())
    }
}

impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.reveal().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match server.rsplit_once('@') {
                None => write!(f, "{comma}{server}")?,
                Some((_secret, host)) => write!(f, "{comma}***@{host}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let url = NatsUrl::new("nats://a:hunter2@one:4222, two,tls://hunter2@three");
        let config = NatsConfig {
            url,
            ..NatsConfig::default()
        };
        assert_eq!(config.url.to_string(), "***@one:4222,two,***@three");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

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
