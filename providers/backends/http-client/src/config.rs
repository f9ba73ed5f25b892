//! What the client is told.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use serde::Deserialize;
use wrt_protocol::limits::BUDGET_MAX;
use wrt_runtime::{FromEnv, Settings, SettingsError};

use crate::{AllowRule, origin::parse_host};

/// The settings of a client. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct HttpClientConfig {
    /// Hosts and ports that may be asked; none, unless told otherwise. What is not the public
    /// internet's (loopback, private, link-local, ...) must also be named as an address or a range.
    #[config(env = "HTTP_CLIENT_ALLOW", default = [])]
    pub allow: Vec<AllowRule>,
    /// Addresses of names that are not to be resolved. They are held to `allow` like any other.
    #[config(default = {})]
    pub resolve: BTreeMap<String, Vec<IpAddr>>,
    /// Files with certificates (PEM) that are trusted besides the system's.
    #[config(env = "HTTP_CLIENT_CERTIFICATES", default = [])]
    pub certificates: Vec<PathBuf>,
    /// Whether the certificates that the system trusts are trusted.
    #[config(default = true)]
    pub system_certificates: bool,
    /// When HTTP/2 is spoken.
    #[config(default = "negotiated")]
    pub http2: Http2,
    /// Until there is a connection, the resolving of the name included. A guest may ask for less.
    #[config(env = "HTTP_CLIENT_CONNECT_TIMEOUT_MS", default = 5000)]
    pub connect_timeout_ms: u64,
    /// From then until the head of the response. The call's budget, which is mostly less, bounds it
    /// as well. A guest may ask for less.
    #[config(default = 600_000)]
    pub first_byte_timeout_ms: u64,
    /// Between two pieces of the response's body. A guest may ask for less.
    #[config(default = 30_000)]
    pub between_bytes_timeout_ms: u64,
    /// How long a connection without a request is kept.
    #[config(default = 30_000)]
    pub idle_timeout_ms: u64,
    /// Connections without a request that are kept for each host.
    #[config(default = 64)]
    pub idle_connections_per_host_max: u32,
    /// Connections open at a time; who needs one more waits within its connect timeout.
    #[config(default = 1024)]
    pub connections_max: u32,
    /// The head of a response.
    #[config(default = 65_536)]
    pub head_bytes_max: u32,
    /// Header fields of a response.
    #[config(default = 256)]
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

/// The smallest head that hyper's buffer can be held to.
const HEAD_BYTES_LEAST: u64 = 8 * 1024;
/// Below the head that the lattice carries, with room for what a response gains on its way.
const HEAD_BYTES_MOST: u64 = 128 * 1024;
/// As many header fields as a map of them takes without trouble.
const HEADERS_MOST: u64 = 1024;

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

impl HttpClientConfig {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn first_byte_timeout(&self) -> Duration {
        Duration::from_millis(self.first_byte_timeout_ms)
    }

    pub(crate) fn between_bytes_timeout(&self) -> Duration {
        Duration::from_millis(self.between_bytes_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first setting that is refused.
    pub fn validate(&self) -> Result<(), SettingsError> {
        for name in self.resolve.keys() {
            if parse_host(name).is_none() {
                return Err(SettingsError::Value {
                    field: "resolve".to_owned(),
                    message: format!("{name:?} is no host name"),
                });
            }
        }
        let millis_most = u64::try_from(BUDGET_MAX.as_millis()).unwrap_or(u64::MAX);
        let idle = self.idle_connections_per_host_max;
        for (setting, value, range) in [
            (
                "connect_timeout_ms",
                self.connect_timeout_ms,
                1..=millis_most,
            ),
            (
                "first_byte_timeout_ms",
                self.first_byte_timeout_ms,
                1..=millis_most,
            ),
            (
                "between_bytes_timeout_ms",
                self.between_bytes_timeout_ms,
                1..=millis_most,
            ),
            ("idle_timeout_ms", self.idle_timeout_ms, 1..=millis_most),
            ("connections_max", self.connections_max.into(), 1..=1 << 16),
            ("idle_connections_per_host_max", idle.into(), 0..=1 << 16),
            (
                "head_bytes_max",
                self.head_bytes_max.into(),
                HEAD_BYTES_LEAST..=HEAD_BYTES_MOST,
            ),
            ("headers_max", self.headers_max.into(), 1..=HEADERS_MOST),
        ] {
            if !range.contains(&value) {
                let (least, most) = range.into_inner();
                return Err(SettingsError::Value {
                    field: setting.to_owned(),
                    message: format!("{value} is out of range: {least} to {most}"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HttpClientConfig, SettingsError> {
        HttpClientConfig::load(Settings::of_table(text.parse().expect("TOML")))
    }

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let text = r#"
            allow = ["api.test:443", "*.example.test", "10.0.0.0/8:8080", "127.0.0.1"]
            resolve = { "api.test" = ["10.0.0.1"] }
            http2 = "prior-knowledge"
            connect_timeout_ms = 100
        "#;
        let config = read(text).unwrap();
        assert_eq!(config.allow.len(), 4);
        assert_eq!(config.http2, Http2::PriorKnowledge);
        assert_eq!(config.connect_timeout(), Duration::from_millis(100));
        assert_eq!(config.validate(), Ok(()));

        for (text, expected) in [
            ("alow = []", "did you mean `allow`"),
            ("allow = ['https://a.test']", "leave the scheme out"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (text, expected) in [
            ("resolve = { 'a b' = [] }", "is no host name"),
            (
                "connect_timeout_ms = 0",
                "`connect_timeout_ms`: 0 is out of range",
            ),
            (
                "head_bytes_max = 1",
                "`head_bytes_max`: 1 is out of range: 8192 to 131072",
            ),
        ] {
            let error = read(text).unwrap().validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
