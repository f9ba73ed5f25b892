//! How the provider is set up.

use std::path::PathBuf;

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use wrt_messaging::{TopicFilter, limits::DATA_BYTES_MAX};
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError, check_range};

use crate::topics::{NAME_BYTES_MAX, is_name};

/// Brokers of Kafka, and how topics are used there.
#[derive(Debug, Clone, confique::Config)]
pub struct KafkaConfig {
    /// One broker of a cluster, or several with commas between them: `host:port`. They tell of the others.
    #[config(env = "KAFKA_BROKERS", default = "127.0.0.1:9092")]
    pub brokers: ServiceAddress,
    /// Whether connections are encrypted. They are also where one of the following files is named.
    #[config(env = "KAFKA_TLS", default = false)]
    pub tls: bool,
    /// A PEM file with the authority that signed the brokers' certificates, in place of the system's own.
    /// A manifest names no file: it refers to a variable that the node's operator lets through.
    #[config(env = "KAFKA_AUTHORITY_FILE")]
    pub authority_file: Option<PathBuf>,
    /// A PEM file with the certificate that the client shows.
    #[config(env = "KAFKA_CERTIFICATE_FILE")]
    pub certificate_file: Option<PathBuf>,
    /// A PEM file with the key of that certificate.
    #[config(env = "KAFKA_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// How the client says who it is, by SASL: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. With `PLAIN` and
    /// without TLS the password can be read on its way.
    #[config(env = "KAFKA_SASL_MECHANISM")]
    pub sasl_mechanism: Option<KafkaSasl>,
    /// The user, with its password.
    #[config(env = "KAFKA_USER")]
    pub user: Option<String>,
    /// The password of the user.
    #[config(env = "KAFKA_PASSWORD")]
    pub password: Option<SecretString>,
    /// How long one attempt to reach a broker may take, in milliseconds.
    #[config(env = "KAFKA_CONNECT_TIMEOUT_MS", default = 5000)]
    pub connect_timeout_ms: u64,
    /// Who shares partitions out in a group: its members (`classic`), or the broker (`consumer`, from Kafka
    /// 4.0 on). All members of a group say the same. After which time without a word a member counts as
    /// lost: with `classic` after 2.5 seconds, or the broker's `group.min.session.timeout.ms` where that
    /// is longer (6 s by default); with `consumer` after its `group.consumer.session.timeout.ms` (45 s by
    /// default).
    #[config(env = "KAFKA_GROUP_PROTOCOL", default = "classic")]
    pub group_protocol: KafkaGroupProtocol,
    /// Bytes of a message, all in all: what the topics take (a broker's `message.max.bytes`, a topic's
    /// `max.message.bytes`), less 16 KiB.
    #[config(env = "KAFKA_MESSAGE_BYTES_MAX", default = 1_000_000)]
    pub message_bytes_max: usize,
    /// Topics that are made when they are first sent to, with as many partitions and copies as the broker
    /// says by default. `*` stands for any word and a last `>` for any words. All others have to be there.
    #[config(env = "KAFKA_CREATE_TOPICS", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub create_topics: Vec<TopicFilter>,
    /// What the topics of messages that were given up start with; a dot and the component follow. Each is
    /// made with its first subscription if it is not there. By default the app's own.
    #[config(env = "KAFKA_DEAD_LETTER_TOPIC", default = "dead-letters-{app}")]
    pub dead_letter_topic: String,
    /// The topic for replies, made with the first request if it is not there. By default the app's own.
    #[config(env = "KAFKA_REPLY_TOPIC", default = "replies-{app}")]
    pub reply_topic: String,
}

/// How a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KafkaSasl {
    /// The password as it is.
    #[serde(rename = "PLAIN")]
    Plain,
    /// A proof that it is known.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with another hash.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Who shares partitions out in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaGroupProtocol {
    /// Its members.
    #[default]
    Classic,
    /// The broker.
    Consumer,
}

/// Room beside a message, for what is said of it as a dead letter: what can be sent can be stored as one.
const ROOM_BYTES: usize = 16 * 1024;
/// What a dead letter takes at most. Others may send more to a topic than this provider does, and what they
/// have sent must not stay in the way for ever.
pub(crate) const LETTER_BYTES_MAX: usize = 4 * DATA_BYTES_MAX;
const MESSAGE_BYTES_LEAST: u64 = 1024;
const CONNECT_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=60_000;

impl KafkaSasl {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl KafkaConfig {
    fn is_encrypted(&self) -> bool {
        let files = [&self.authority_file, &self.certificate_file, &self.key_file];
        self.tls || files.iter().any(|file| file.is_some())
    }

    /// What is sent at a time, but for a single message that is larger.
    pub(crate) fn wire_bytes_max(&self) -> usize {
        self.message_bytes_max + ROOM_BYTES
    }

    /// What every client of the brokers is told.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        let brokers: Vec<_> = self.brokers.reveal_each().collect();
        client.set("bootstrap.servers", brokers.join(","));
        client.set("client.id", "wrt-kafka");
        client.set(
            "socket.connection.setup.timeout.ms",
            self.connect_timeout_ms.max(1000).to_string(),
        );
        client.set("reconnect.backoff.max.ms", "1000");
        client.set("message.max.bytes", LETTER_BYTES_MAX.to_string());
        let protocol = match (self.sasl_mechanism, self.is_encrypted()) {
            (None, false) => "plaintext",
            (None, true) => "ssl",
            (Some(_), false) => "sasl_plaintext",
            (Some(_), true) => "sasl_ssl",
        };
        client.set("security.protocol", protocol);
        // Where this machine keeps the authorities that it trusts: the OpenSSL that is built in knows no
        // such place by itself.
        client.set("ssl.ca.location", "probe");
        for (name, file) in [
            ("ssl.ca.location", &self.authority_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ] {
            if let Some(file) = file {
                client.set(name, file.to_string_lossy());
            }
        }
        if let Some(mechanism) = self.sasl_mechanism {
            client.set("sasl.mechanism", mechanism.name());
            client.set("sasl.username", self.user.as_deref().unwrap_or_default());
            let password = self.password.as_ref().map(ExposeSecret::expose_secret);
            client.set("sasl.password", password.unwrap_or_default());
        }
        client
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let refused = |field: &str, message: String| {
            let field = field.to_owned();
            Err(SettingsError::Value { field, message })
        };
        if self.brokers.reveal_each().next().is_none() {
            return refused("brokers", "names none".to_owned());
        }
        let who = (self.sasl_mechanism, &self.user, &self.password);
        if !matches!(who, (None, None, None) | (Some(_), Some(_), Some(_))) {
            let text = "`sasl_mechanism`, `user` and `password` go together";
            return refused("sasl_mechanism", text.to_owned());
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let text = "`certificate_file` and `key_file` go together";
            return refused("certificate_file", text.to_owned());
        }
        // A dot and the longest name of a component stand behind it.
        let room = NAME_BYTES_MAX - 65;
        for (field, topic) in [
            ("dead_letter_topic", &self.dead_letter_topic),
            ("reply_topic", &self.reply_topic),
        ] {
            if !is_name(topic) || topic.len() > room {
                let text = format!(
                    "{topic:?} is none: use at most {room} letters, digits, '.', '-' and '_'"
                );
                return refused(field, text);
            }
        }
        check_range(
            "connect_timeout_ms",
            self.connect_timeout_ms,
            CONNECT_TIMEOUT_MS,
        )?;
        let most = MESSAGE_BYTES_LEAST..=DATA_BYTES_MAX as u64;
        check_range("message_bytes_max", self.message_bytes_max as u64, most)
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut KafkaConfig);

    #[test]
    fn what_cannot_work_is_refused() {
        let cases: [(Option<&str>, Change); 9] = [
            (None, |_| ()),
            (Some("brokers"), |config| {
                config.brokers = ServiceAddress::new(" ,")
            }),
            (Some("sasl_mechanism"), |config| {
                config.user = Some("bob".to_owned())
            }),
            (Some("sasl_mechanism"), |config| {
                config.sasl_mechanism = Some(KafkaSasl::Plain)
            }),
            (Some("certificate_file"), |config| {
                config.key_file = Some("key.pem".into())
            }),
            (Some("dead_letter_topic"), |config| {
                config.dead_letter_topic = "a b".to_owned()
            }),
            (Some("reply_topic"), |config| {
                config.reply_topic = "__offsets".to_owned()
            }),
            (Some("connect_timeout_ms"), |config| {
                config.connect_timeout_ms = 0
            }),
            (Some("message_bytes_max"), |config| {
                config.message_bytes_max = 1
            }),
        ];
        for (field, change) in cases {
            let mut config = KafkaConfig::default();
            change(&mut config);
            let refused = config.check().err();
            assert_eq!(refused.as_ref().and_then(SettingsError::field), field);
        }
    }

    #[test]
    fn how_a_connection_is_protected_follows_from_what_is_given() {
        let cases: [(&str, Change); 4] = [
            ("plaintext", |_| ()),
            ("ssl", |config| {
                config.authority_file = Some("ca.pem".into())
            }),
            ("sasl_plaintext", |config| {
                config.sasl_mechanism = Some(KafkaSasl::Plain)
            }),
            ("sasl_ssl", |config| {
                config.tls = true;
                config.sasl_mechanism = Some(KafkaSasl::ScramSha256);
            }),
        ];
        for (protocol, change) in cases {
            let mut config = KafkaConfig::default();
            change(&mut config);
            assert_eq!(config.client().get("security.protocol"), Some(protocol));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let config = KafkaConfig {
            password: Some("hunter2".into()),
            ..KafkaConfig::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
