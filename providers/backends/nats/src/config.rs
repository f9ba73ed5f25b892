//! How the provider is set up.

use std::{ops::RangeInclusive, path::PathBuf};

use async_nats::jetstream::stream::StorageType;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use wrt_keyvalue::limits::{CONNECT_TIMEOUT_MS, check_deduplicate_for};
use wrt_messaging::TopicFilter;
use wrt_nats_login::NatsLogin;
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError, check_range};

/// NATS servers, and how buckets are made there.
#[derive(Debug, Clone, confique::Config)]
pub struct NatsConfig {
    /// One server of a cluster, or several with commas between them: `nats://` or `tls://`. They may
    /// say who the client is, `nats://user:password@host` or `nats://token@host`; one of the
    /// following settings goes before that.
    #[config(env = "NATS_ADDR", default = "nats://127.0.0.1:4222")]
    pub url: ServiceAddress,
    /// A user, with its password.
    #[config(env = "NATS_USER")]
    pub user: Option<String>,
    /// The password of the user.
    #[config(env = "NATS_PASSWORD")]
    pub password: Option<SecretString>,
    /// A token, where the server asks for one and not for a user.
    #[config(env = "NATS_TOKEN")]
    pub token: Option<SecretString>,
    /// A file with the seed of an nkey. A manifest names no file: it refers to a variable that the
    /// node's operator lets through.
    #[config(env = "NATS_NKEY_FILE")]
    pub nkey_file: Option<PathBuf>,
    /// A file with a JWT and its key.
    #[config(env = "NATS_CREDENTIALS_FILE")]
    pub credentials_file: Option<PathBuf>,
    /// A PEM file with the authority that signed the servers' certificates, beside the system's own.
    #[config(env = "NATS_AUTHORITY_FILE")]
    pub authority_file: Option<PathBuf>,
    /// How long one attempt to connect may take, in milliseconds.
    #[config(env = "NATS_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
    /// What the names of all buckets start with; letters, digits, `-` and `_`. By default the app's name
    /// is in it, so that no app finds the buckets of another, or of a program that is no app; and `_-`
    /// behind that, which is in no bucket's own name. Two providers that are to share their buckets
    /// name the same one; an empty one is for an account of its own.
    #[config(env = "NATS_BUCKET_PREFIX", default = "guest-{app}_-")]
    pub bucket_prefix: String,
    /// Copies of a new bucket in a cluster, 1 to 5. With one, a key is gone while its server is;
    /// with three, a write that was acknowledged survives the loss of one.
    #[config(env = "NATS_REPLICAS", default = 1)]
    pub replicas: usize,
    /// Where a new bucket is kept.
    #[config(env = "NATS_STORAGE", default = "file")]
    pub storage: NatsStorage,
    /// Buckets that may exist under the prefix, and as many containers of objects: one more is refused.
    /// Guests name them, and each is a stream on the server.
    #[config(env = "NATS_BUCKETS_MAX", default = 256)]
    pub buckets_max: usize,
    /// How long the bytes of an object that was replaced or removed are kept for who still reads them, and
    /// those of a write whose writer is gone; in milliseconds, a second to a day. A writer that stores
    /// nothing for half of it has failed.
    #[config(env = "NATS_UNNAMED_BYTES_KEPT_FOR_MS", default = 60_000)]
    pub unnamed_bytes_kept_for_ms: u64,
    /// For how long, at least, the first answer of an increment or a swap is given again under the
    /// same idempotency key: 11 seconds to an hour. Callers try a call again whose budget is at least
    /// a second shorter; the default one is 10 seconds. Every writer then reads before it writes; and
    /// all providers of the same buckets must be told so, because one that was not loses answers. At
    /// most a million answers are kept, of all buckets under the prefix together; a write that would
    /// need one more fails as full, a set or a delete over such a value too. So 11 seconds allow 90,000
    /// increments and swaps a second, and an hour 277. Each takes some 150 bytes.
    #[config(env = "NATS_DEDUPLICATE_FOR_MS")]
    pub deduplicate_for_ms: Option<u64>,
    /// The bucket that wasi:config reads, by its name on the server. Somebody else makes and writes
    /// it: each change is seen, and a bucket that is gone leaves the last known settings.
    #[config(env = "NATS_CONFIG_BUCKET")]
    pub config_bucket: Option<String>,
    /// Topics that may be sent to although no stream holds them: who subscribes then gets a message once,
    /// if at all. `*` stands for any word and a last `>` for any words.
    #[config(env = "NATS_AT_MOST_ONCE_TOPICS", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub at_most_once_topics: Vec<TopicFilter>,
    /// The stream of messages that were given up, made with the first subscription if it is not there; its
    /// subjects are its name, a dot, and the component. By default the app's own.
    #[config(env = "NATS_DEAD_LETTER_STREAM", default = "dead-letters-{app}")]
    pub dead_letter_stream: String,
}

/// As long as a prefix may be: with the longest name of a bucket it makes the longest of a stream.
pub(crate) const PREFIX_BYTES_MAX: usize = 60;

/// As long as the name of a stream of dead letters may be.
const STREAM_BYTES_MAX: usize = 128;

/// As many streams as a server of NATS bears.
const BUCKETS_MOST: u64 = 1 << 16;

/// `unnamed_bytes_kept_for_ms`.
const UNNAMED_BYTES_KEPT_FOR_MS: RangeInclusive<u64> = 1000..=24 * 60 * 60 * 1000;

/// What the names of the lattice's own buckets start with.
const OF_THE_LATTICE: &str = "wrt-";

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
    /// Who it logs in as, and whom it believes.
    pub(crate) fn login(&self) -> NatsLogin {
        NatsLogin {
            user: self.user.clone(),
            password: self.password.clone(),
            token: self.token.clone(),
            nkey_file: self.nkey_file.clone(),
            credentials_file: self.credentials_file.clone(),
            authority_file: self.authority_file.clone(),
        }
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.login().check().map_err(|error| SettingsError::Value {
            field: "user".to_owned(),
            message: error.to_string(),
        })?;
        let prefix = &self.bucket_prefix;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(legal) {
            return Err(SettingsError::Value {
                field: "bucket_prefix".to_owned(),
                message: format!(
                    "{prefix:?} is none: use at most {PREFIX_BYTES_MAX} letters, digits, '-' and \
                     '_'; an app with a longer name needs one of its own"
                ),
            });
        }
        // Also where a guest's own name would make up the rest.
        let start = &prefix[..prefix.len().min(OF_THE_LATTICE.len())];
        if !prefix.is_empty() && OF_THE_LATTICE.starts_with(start) {
            return Err(SettingsError::Value {
                field: "bucket_prefix".to_owned(),
                message: format!(
                    "{prefix:?} leads to {OF_THE_LATTICE:?}, the lattice's own buckets"
                ),
            });
        }
        let may_be_read = |bucket: &&String| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !bucket.is_empty() && bucket.bytes().all(legal) && !bucket.starts_with(OF_THE_LATTICE)
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
        let stream = &self.dead_letter_stream;
        if stream.is_empty() || stream.len() > STREAM_BYTES_MAX || !stream.bytes().all(legal) {
            return Err(SettingsError::Value {
                field: "dead_letter_stream".to_owned(),
                message: format!(
                    "{stream:?} is none: use at most {STREAM_BYTES_MAX} letters, digits, '-' and '_'"
                ),
            });
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(SettingsError::Value {
                field: "replicas".to_owned(),
                message: format!("JetStream keeps 1 to 5 copies, not {}", self.replicas),
            });
        }
        check_range(
            "connect_timeout_ms",
            self.connect_timeout_ms,
            CONNECT_TIMEOUT_MS,
        )?;
        check_range(
            "unnamed_bytes_kept_for_ms",
            self.unnamed_bytes_kept_for_ms,
            UNNAMED_BYTES_KEPT_FOR_MS,
        )?;
        check_range("buckets_max", self.buckets_max as u64, 1..=BUCKETS_MOST)?;
        check_deduplicate_for(self.deduplicate_for_ms)
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
        let refused = |change: fn(&mut NatsConfig)| {
            let mut config = NatsConfig::default();
            change(&mut config);
            let error = config.check().err()?;
            error.field().map(str::to_owned)
        };
        assert_eq!(refused(|_| ()), None);
        let longest = format!("guest-{}_-", "x".repeat(52));
        let legal = ["", "guest-", "guest-a_b_-", "wrtx", &longest];
        let longer = longest.replace("guest", "guests");
        let illegal = ["wr", "wrt", "wrt-", "wrt-x", "a.b", &longer];
        for prefix in legal.into_iter().chain(illegal) {
            let config = NatsConfig {
                bucket_prefix: prefix.to_owned(),
                ..NatsConfig::default()
            };
            let is_refused = config.check().is_err();
            assert_eq!(is_refused, !legal.contains(&prefix), "{prefix:?}");
        }
        type Change = fn(&mut NatsConfig);
        let cases: [(&str, Change); 8] = [
            ("user", |config| config.user = Some("bob".to_owned())),
            ("user", |config| {
                config.token = Some("hush".into());
                config.nkey_file = Some("nkey".into());
            }),
            ("replicas", |config| config.replicas = 6),
            ("buckets_max", |config| config.buckets_max = 0),
            ("connect_timeout_ms", |config| config.connect_timeout_ms = 0),
            ("deduplicate_for_ms", |config| {
                config.deduplicate_for_ms = Some(10_999);
            }),
            ("deduplicate_for_ms", |config| {
                config.deduplicate_for_ms = Some(24 * 60 * 60 * 1000);
            }),
            ("config_bucket", |config| {
                config.config_bucket = Some("wrt-x".to_owned());
            }),
        ];
        for (field, change) in cases {
            assert_eq!(refused(change).as_deref(), Some(field));
        }
        assert_eq!(
            refused(|config| config.deduplicate_for_ms = Some(11_000)),
            None
        );
    }
}
