//! What the server is told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::Deserialize;
use wrt_protocol::{
    Name,
    limits::{BUDGET_DEFAULT, BUDGET_MAX, STREAM_IDLE_MAX},
};

/// The settings of a server. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpServerConfig {
    /// Where it listens; port 0 takes a free one. This machine only, unless told otherwise.
    pub address: SocketAddr,
    /// Which component answers what.
    pub routes: Vec<Route>,
    /// What a component may take until the head of its response. Its body may take longer, as long
    /// as it moves.
    #[serde(rename = "request_timeout_ms", deserialize_with = "millis")]
    pub request_timeout: Duration,
    /// What a client may take to send the head of a request; on HTTP/1.1 also how long a connection
    /// is kept between two requests.
    #[serde(rename = "header_timeout_ms", deserialize_with = "millis")]
    pub header_timeout: Duration,
    /// How long a connection without a request is kept; it may be looked at late by as much again.
    #[serde(rename = "idle_timeout_ms", deserialize_with = "millis")]
    pub idle_timeout: Duration,
    /// How long a client may read nothing of what is sent to it.
    #[serde(rename = "write_timeout_ms", deserialize_with = "millis")]
    pub write_timeout: Duration,
    /// The head of a request.
    pub head_bytes_max: u32,
    /// Header fields of a request.
    pub headers_max: u32,
    /// The body of a request.
    pub request_body_bytes_max: u64,
    /// Connections open at a time; one more is closed at once.
    pub connections_max: u32,
    /// Requests of one HTTP/2 connection at a time.
    pub streams_per_connection_max: u32,
    /// Requests in hand at a time; one more is refused with 503.
    pub requests_max: u32,
}

/// A share of the requests, and the component that answers them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The host that the request names, without a port; absent or `*` is any.
    #[serde(default)]
    pub host: Option<String>,
    /// The start of the path, in whole segments: `/api` takes `/api` and `/api/x` and not `/apis`.
    #[serde(default = "root")]
    pub path: String,
    /// The component.
    pub component: Name,
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No route: nothing could be answered.
    #[error("routes is empty: name at least one component")]
    NoRoutes,
    /// A route's path that no request can have.
    #[error("route path {path:?} must start with '/' and have neither '?' nor '#' nor spaces")]
    Path {
        /// The path.
        path: String,
    },
    /// A route's host that no request can name.
    #[error("route host {host:?} must be a host name or an address, without a port")]
    Host {
        /// The host.
        host: String,
    },
    /// Two routes for the same requests.
    #[error("two routes have host {host:?} and path {path:?}")]
    Duplicate {
        /// Their host.
        host: String,
        /// Their path.
        path: String,
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
/// Below the head that the lattice carries, with room for what a request gains on its way.
const HEAD_BYTES_MOST: u64 = 128 * 1024;
/// As many header fields as a map of them takes without trouble.
const HEADERS_MOST: u64 = 1024;

impl Default for HttpServerConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8080).into(),
            routes: Vec::new(),
            request_timeout: BUDGET_DEFAULT,
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            write_timeout: STREAM_IDLE_MAX,
            head_bytes_max: 64 * 1024,
            headers_max: 128,
            request_body_bytes_max: 1024 * 1024 * 1024,
            connections_max: 10_000,
            streams_per_connection_max: 128,
            requests_max: 20_000,
        }
    }
}

impl HttpServerConfig {
    /// # Errors
    /// The first setting that makes no sense. Routes are checked where their table is made.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.routes.is_empty() {
            return Err(ConfigError::NoRoutes);
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let budget_most = millis(BUDGET_MAX);
        for (setting, value, least, most) in [
            (
                "request_timeout_ms",
                millis(self.request_timeout),
                1,
                budget_most,
            ),
            (
                "header_timeout_ms",
                millis(self.header_timeout),
                1,
                budget_most,
            ),
            ("idle_timeout_ms", millis(self.idle_timeout), 1, budget_most),
            (
                "write_timeout_ms",
                millis(self.write_timeout),
                1,
                budget_most,
            ),
            (
                "head_bytes_max",
                self.head_bytes_max.into(),
                HEAD_BYTES_LEAST,
                HEAD_BYTES_MOST,
            ),
            ("headers_max", self.headers_max.into(), 1, HEADERS_MOST),
            (
                "connections_max",
                self.connections_max.into(),
                1,
                u32::MAX.into(),
            ),
            (
                "streams_per_connection_max",
                self.streams_per_connection_max.into(),
                1,
                100_000,
            ),
            ("requests_max", self.requests_max.into(), 1, u32::MAX.into()),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Range {
                    setting,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

fn root() -> String {
    "/".to_owned()
}

fn millis<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> HttpServerConfig {
        let component = Name::new("hello").expect("a legal name");
        let route = Route {
            host: None,
            path: root(),
            component,
        };
        HttpServerConfig {
            routes: vec![route],
            ..HttpServerConfig::default()
        }
    }

    #[test]
    fn the_defaults_are_local_and_in_range() {
        assert!(config().address.ip().is_loopback());
        assert_eq!(config().check(), Ok(()));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        assert_eq!(
            HttpServerConfig::default().check(),
            Err(ConfigError::NoRoutes)
        );
        let check = |config: HttpServerConfig, expected: &str| {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check(
            HttpServerConfig {
                head_bytes_max: 100,
                ..config()
            },
            "head_bytes_max",
        );
        check(
            HttpServerConfig {
                request_timeout: Duration::ZERO,
                ..config()
            },
            "request_timeout_ms",
        );
        check(
            HttpServerConfig {
                connections_max: 0,
                ..config()
            },
            "connections_max",
        );
    }
}
