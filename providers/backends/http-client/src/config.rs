//! What the client is told.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer};
use wrt_protocol::limits::{BUDGET_MAX, STREAM_IDLE_MAX};

use crate::{AllowRule, target::parse_host};

/// The settings of a client. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpClientConfig {
    /// Hosts and ports that may be asked; none, unless told otherwise. What is not the public
    /// internet's (loopback, private, link-local, ...) must also be named as an address or a range.
    pub allow: Vec<AllowRule>,
    /// Addresses of names that are not to be resolved. They are held to `allow` like any other.
    pub resolve: BTreeMap<String, Vec<IpAddr>>,
    /// Files with certificates (PEM) that are trusted besides the system's.
    pub certificates: Vec<PathBuf>,
    /// Whether the certificates that the system trusts are trusted.
    pub system_certificates: bool,
    /// When HTTP/2 is spoken.
    pub http2: Http2,
    /// Until there is a connection, the resolving of the name included. A guest may ask for less.
    #[serde(rename = "connect_timeout_ms", deserialize_with = "millis")]
    pub connect_timeout: Duration,
    /// From then until the head of the response. The call's budget, which is mostly less, bounds it
    /// as well. A guest may ask for less.
    #[serde(rename = "first_byte_timeout_ms", deserialize_with = "millis")]
    pub first_byte_timeout: Duration,
    /// Between two pieces of the response's body. A guest may ask for less.
    #[serde(rename = "between_bytes_timeout_ms", deserialize_with = "millis")]
    pub between_bytes_timeout: Duration,
    /// How long a connection without a request is kept.
    #[serde(rename = "idle_timeout_ms", deserialize_with = "millis")]
    pub idle_timeout: Duration,
    /// Connections without a request that are kept for each host.
    pub idle_connections_per_host_max: u32,
    /// Connections open at a time; who needs one more waits within its connect timeout.
    pub connections_max: u32,
    /// The head of a response.
    pub head_bytes_max: u32,
    /// Header fields of a response.
    pub headers_max: u32,
}

/// When HTTP/2 is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Http2 {
    /// Over TLS with a server that chooses it; HTTP/1.1 otherwise.
    #[default]
    Negotiated,
    /// Always: the servers are known to speak it, also without TLS (h2c).
    PriorKnowledge,
    /// Never.
    Off,
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A name in `resolve` that no request can have.
    #[error("resolve has {name:?}, which is no host name")]
    Name {
        /// The name.
        name: String,
    },
    /// A setting below the least that makes sense, or above the most.
    #[error("{setting} is out of range: {least} to {most}")]
    Range {
        /// The setting.
        setting: &'static str,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
}

/// The smallest head that hyper's buffer can be held to.
const HEAD_BYTES_LEAST: u64 = 8 * 1024;
/// Below the head that the lattice carries, with room for what a response gains on its way.
const HEAD_BYTES_MOST: u64 = 128 * 1024;
/// As many header fields as a map of them takes without trouble.
const HEADERS_MOST: u64 = 1024;

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            resolve: BTreeMap::new(),
            certificates: Vec::new(),
            system_certificates: true,
            http2: Http2::Negotiated,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(600),
            between_bytes_timeout: STREAM_IDLE_MAX,
            idle_timeout: Duration::from_secs(30),
            idle_connections_per_host_max: 64,
            connections_max: 1024,
            head_bytes_max: 64 * 1024,
            headers_max: 256,
        }
    }
}

impl HttpClientConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// The first setting that is refused.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for name in self.resolve.keys() {
            if parse_host(name).is_none() {
                return Err(ConfigError::Name { name: name.clone() });
            }
        }
        let millis_most = BUDGET_MAX.as_millis();
        for (setting, time) in [
            ("connect_timeout_ms", self.connect_timeout),
            ("first_byte_timeout_ms", self.first_byte_timeout),
            ("between_bytes_timeout_ms", self.between_bytes_timeout),
            ("idle_timeout_ms", self.idle_timeout),
        ] {
            within(setting, time.as_millis(), 1, millis_most)?;
        }
        for (setting, value, least, most) in [
            ("connections_max", self.connections_max, 1, 1 << 16),
            (
                "idle_connections_per_host_max",
                self.idle_connections_per_host_max,
                0,
                1 << 16,
            ),
            (
                "head_bytes_max",
                self.head_bytes_max,
                HEAD_BYTES_LEAST,
                HEAD_BYTES_MOST,
            ),
            ("headers_max", self.headers_max, 1, HEADERS_MOST),
        ] {
            within(setting, value.into(), least, most.into())?;
        }
        Ok(())
    }
}

fn within(setting: &'static str, value: u128, least: u64, most: u128) -> Result<(), ConfigError> {
    if value >= least.into() && value <= most {
        return Ok(());
    }
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    Err(ConfigError::Range {
        setting,
        least,
        most,
    })
}

fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let text = r#"
            allow = ["api.test:443", "*.example.test", "10.0.0.0/8:8080", "127.0.0.1"]
            resolve = { "api.test" = ["10.0.0.1"] }
            http2 = "prior-knowledge"
            connect_timeout_ms = 100
        "#;
        let config: HttpClientConfig = toml::from_str(text).unwrap();
        assert_eq!(config.allow.len(), 4);
        assert_eq!(config.http2, Http2::PriorKnowledge);
        assert_eq!(config.connect_timeout, Duration::from_millis(100));
        assert_eq!(config.validate(), Ok(()));

        for (text, expected) in [
            ("alow = []", "unknown field `alow`"),
            ("allow = ['https://a.test']", "leave the scheme out"),
        ] {
            let error = toml::from_str::<HttpClientConfig>(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (text, expected) in [
            ("resolve = { 'a b' = [] }", "no host name"),
            (
                "connect_timeout_ms = 0",
                "connect_timeout_ms is out of range",
            ),
            (
                "head_bytes_max = 1",
                "head_bytes_max is out of range: 8192 to 131072",
            ),
        ] {
            let config: HttpClientConfig = toml::from_str(text).unwrap();
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
