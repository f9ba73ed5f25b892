//! What the client is told.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::Deserialize;
use wrt_http::{HEAD_BYTES, HEADERS};
use wrt_protocol::limits::BUDGET_MAX;
use wrt_runtime::{FromEnv, Settings, SettingsError, check_range};

use crate::{
    AllowRule,
    origin::{UriHost, parse_host},
};

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
    /// Files with certificates (PEM) that are trusted besides the system's. A manifest names none: the
    /// node's operator sets the variable and lets it through.
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
    /// Connections open at a time. Who needs one more gets the place of the one that has been without
    /// a request for longest; where each has one, it waits within its connect timeout.
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

/// Milliseconds that may be waited for anything.
const TIMEOUT_MS: RangeInclusive<u64> = 1..=BUDGET_MAX.as_millis() as u64;

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
            if !matches!(parse_host(name), Some(UriHost::Name(_))) {
                return Err(SettingsError::Value {
                    field: "resolve".to_owned(),
                    message: format!("{name:?} is no host name"),
                });
            }
        }
        let idle = self.idle_connections_per_host_max;
        check_range("connect_timeout_ms", self.connect_timeout_ms, TIMEOUT_MS)?;
        check_range(
            "first_byte_timeout_ms",
            self.first_byte_timeout_ms,
            TIMEOUT_MS,
        )?;
        check_range(
            "between_bytes_timeout_ms",
            self.between_bytes_timeout_ms,
            TIMEOUT_MS,
        )?;
        check_range("idle_timeout_ms", self.idle_timeout_ms, TIMEOUT_MS)?;
        check_range("connections_max", self.connections_max, 1..=1 << 16)?;
        check_range("idle_connections_per_host_max", idle, 0..=1 << 16)?;
        check_range("head_bytes_max", self.head_bytes_max, HEAD_BYTES)?;
        check_range("headers_max", self.headers_max, HEADERS)
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
            // Asked for by its address, a host is not resolved.
            ("resolve = { '1.2.3.4' = [] }", "is no host name"),
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
