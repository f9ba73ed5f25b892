//! How the provider is set up.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use mongodb::options::{ConnectionString, Tls};
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError, check_range};

/// As long as the name of a bucket, or of a database, may be.
const NAME_BYTES_MAX: usize = 60;

/// `connect_timeout_ms`.
const CONNECT_TIMEOUT_MS: RangeInclusive<u64> = 10..=60_000;

/// `unnamed_bytes_kept_for_ms`.
const UNNAMED_BYTES_KEPT_FOR_MS: RangeInclusive<u64> = 1000..=24 * 60 * 60 * 1000;

/// A MongoDB, and where objects are kept there.
#[derive(Debug, Clone, confique::Config)]
pub struct MongoDbConfig {
    /// `mongodb://` with user and password where needed, and several members with commas between them.
    /// The client asks the members that it reaches for the names of all, and goes by those: where only the
    /// address that stands here can be reached, `?directConnection=true` says so. `tls=true` asks for TLS,
    /// and `w` and `journal` say when a write is acknowledged; by default the server does.
    #[config(env = "MONGODB_URL", default = "mongodb://127.0.0.1:27017")]
    pub url: ServiceAddress,
    /// The database; its user needs the role `readWrite` there.
    #[config(env = "MONGODB_DATABASE", default = "wrt")]
    pub database: String,
    /// The GridFS bucket that all its containers share, and what the names of its collections start with. By
    /// default the app's name is in it, so that no app finds the objects of another. Two providers that are to share their
    /// containers name the same one. Letters, digits, `-` and `_`.
    #[config(env = "MONGODB_BUCKET", default = "objects-{app}")]
    pub bucket: String,
    /// A PEM file with the authority that signed the servers' certificates, in place of the public ones. A
    /// manifest names no file: it refers to a variable that the node's operator lets through.
    #[config(env = "MONGODB_AUTHORITY_FILE")]
    pub authority_file: Option<PathBuf>,
    /// A PEM file with the client's certificate and its key.
    #[config(env = "MONGODB_CERTIFICATE_KEY_FILE")]
    pub certificate_key_file: Option<PathBuf>,
    /// How long one attempt to connect may take, and how long a call looks for a server that takes it, in
    /// milliseconds.
    #[config(env = "MONGODB_CONNECT_TIMEOUT_MS", default = 2000)]
    pub connect_timeout_ms: u64,
    /// How long the bytes of an object that was replaced or removed are kept for who still reads them, and
    /// how long a write may stand still that is not taken for lost; in milliseconds, a second to a day. A
    /// writer that stores nothing for half of it has failed.
    #[config(env = "MONGODB_UNNAMED_BYTES_KEPT_FOR_MS", default = 60_000)]
    pub unnamed_bytes_kept_for_ms: u64,
}

impl MongoDbConfig {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        for (field, name) in [("database", &self.database), ("bucket", &self.bucket)] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(legal) {
                return Err(SettingsError::Value {
                    field: field.to_owned(),
                    message: format!(
                        "{name:?} is none: use 1 to {NAME_BYTES_MAX} letters, digits, '-' and '_'; an app \
                         with a longer name needs one of its own"
                    ),
                });
            }
        }
        // In a manifest it would name a file of the node that its operator has not let through. A URL that is
        // none is told by connecting.
        if let Ok(parsed) = ConnectionString::parse(self.url.reveal())
            && let Some(Tls::Enabled(tls)) = parsed.tls
            && (tls.ca_file_path.is_some() || tls.cert_key_file_path.is_some())
        {
            return Err(SettingsError::Value {
                field: "url".to_owned(),
                message:
                    "it names a file: files stand in `authority_file` and `certificate_key_file`"
                        .to_owned(),
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
        )
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long bytes that no object names are kept.
    pub(crate) fn kept_for(&self) -> Duration {
        Duration::from_millis(self.unnamed_bytes_kept_for_ms)
    }
}

impl Default for MongoDbConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        type Change = fn(&mut MongoDbConfig);
        let cases: [(Option<&str>, Change); 8] = [
            (None, |_| ()),
            (Some("bucket"), |config| config.bucket = String::new()),
            (Some("bucket"), |config| config.bucket = "a.files".into()),
            (Some("bucket"), |config| config.bucket = "x".repeat(61)),
            (Some("database"), |config| config.database = "a$b".into()),
            (Some("url"), |config| {
                config.url = ServiceAddress::new("mongodb://h/?tls=true&tlsCAFile=/etc/passwd");
            }),
            (Some("connect_timeout_ms"), |config| {
                config.connect_timeout_ms = 0;
            }),
            (Some("unnamed_bytes_kept_for_ms"), |config| {
                config.unnamed_bytes_kept_for_ms = 999;
            }),
        ];
        for (field, change) in cases {
            let mut config = MongoDbConfig::default();
            change(&mut config);
            let refused = config.check().err();
            let told = refused.as_ref().and_then(SettingsError::field);
            assert_eq!(told, field, "{config:?}");
        }
    }
}
