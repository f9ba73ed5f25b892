//! What the server is told.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use serde::Deserialize;
use wrt_http::{HEAD_BYTES, HEADERS};
use wrt_protocol::limits::BUDGET_MAX;
use wrt_runtime::{FromEnv, Settings, SettingsError, check_range};

use crate::WebSocketOptions;

/// The settings of a server. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct HttpServerConfig {
    /// Where it listens; port 0 takes a free one. This machine only, unless told otherwise.
    #[config(env = "HTTP_ADDR", default = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// What a component may take until the head of its response. Its body may take longer, as long
    /// as it moves.
    #[config(env = "HTTP_REQUEST_TIMEOUT_MS", default = 10_000)]
    pub request_timeout_ms: u64,
    /// What a client may take to send the head of a request; on HTTP/1.1 also how long a connection
    /// is kept between two requests.
    #[config(default = 15_000)]
    pub header_timeout_ms: u64,
    /// How long a connection without a request is kept; it may be looked at late by as much again.
    #[config(default = 60_000)]
    pub idle_timeout_ms: u64,
    /// How long a client may read nothing of what is sent to it.
    #[config(default = 30_000)]
    pub write_timeout_ms: u64,
    /// How long what a client still sends behind its answer is read, and thrown away, so that it gets
    /// to the answer.
    #[config(default = 30_000)]
    pub discard_timeout_ms: u64,
    /// The head of a request.
    #[config(default = 65_536)]
    pub head_bytes_max: u32,
    /// Header fields of a request. Over the default, the parser's table no longer fits on the stack, and
    /// each request pays for it.
    #[config(default = 100)]
    pub headers_max: u32,
    /// The body of a request.
    #[config(default = 1_073_741_824)]
    pub request_body_bytes_max: u64,
    /// Connections open at a time; one more is closed at once. All servers of a process together have at
    /// most three quarters of the descriptors that the process may open.
    #[config(default = 10_000)]
    pub connections_max: u32,
    /// Requests of one HTTP/2 connection at a time.
    #[config(default = 128)]
    pub streams_per_connection_max: u32,
    /// Requests in hand at a time; one more is refused with 503.
    #[config(default = 20_000)]
    pub requests_max: u32,
}

/// A share of the requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The host that the request names, without a port; absent or `*` is any.
    #[serde(default)]
    pub host: Option<String>,
    /// The start of the path, in whole segments: `/api` takes `/api` and `/api/x` and not `/apis`. Other
    /// spellings of it are the same: `/%61pi`, `/x/../api`, `//api`.
    #[serde(default = "root")]
    pub path: String,
    /// A route of requests for websockets, and how its peers are served; without it, of all others.
    #[serde(default)]
    pub websocket: Option<WebSocketOptions>,
}

impl Route {
    /// As a component knows it: its path, behind its host if it has one.
    #[must_use]
    pub fn name(&self) -> String {
        let host = self.host.as_deref().filter(|host| *host != "*");
        format!("{}{}", host.unwrap_or_default(), self.path)
    }
}

/// Why a route is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No route: nothing could be answered.
    #[error("there is no route: `calls` names at least one component")]
    NoRoutes,
    /// A path that no request can have.
    #[error("route path {path:?} must start with '/' and have neither '?' nor '#' nor spaces")]
    Path {
        /// The path.
        path: String,
    },
    /// A host that no request can name.
    #[error("route host {host:?} must be a host name or an address, without a port")]
    Host {
        /// The host.
        host: String,
    },
    /// Settings of a websocket.
    #[error("the websocket at {path:?}: {message}")]
    WebSocket {
        /// The path of its route.
        path: String,
        /// What is wrong with them.
        message: String,
    },
    /// Two routes for the same requests.
    #[error("two routes have host {host:?} and path {path:?}")]
    Duplicate {
        /// Their host.
        host: String,
        /// Their path.
        path: String,
    },
}

/// Milliseconds that may be waited for anything.
const TIMEOUT_MS: RangeInclusive<u64> = 1..=BUDGET_MAX.as_millis() as u64;

impl Default for HttpServerConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

impl HttpServerConfig {
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(crate) fn discard_timeout(&self) -> Duration {
        Duration::from_millis(self.discard_timeout_ms)
    }

    /// # Errors
    /// The first setting that makes no sense.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let (streams, any) = (self.streams_per_connection_max, u64::from(u32::MAX));
        check_range("request_timeout_ms", self.request_timeout_ms, TIMEOUT_MS)?;
        check_range("header_timeout_ms", self.header_timeout_ms, TIMEOUT_MS)?;
        check_range("idle_timeout_ms", self.idle_timeout_ms, TIMEOUT_MS)?;
        check_range("write_timeout_ms", self.write_timeout_ms, TIMEOUT_MS)?;
        check_range("discard_timeout_ms", self.discard_timeout_ms, TIMEOUT_MS)?;
        check_range("head_bytes_max", self.head_bytes_max, HEAD_BYTES)?;
        check_range("headers_max", self.headers_max, HEADERS)?;
        check_range("connections_max", self.connections_max, 1..=any)?;
        check_range("streams_per_connection_max", streams, 1..=100_000)?;
        check_range("requests_max", self.requests_max, 1..=any)
    }
}

fn root() -> String {
    "/".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_local_and_in_range() {
        let config = HttpServerConfig::default();
        assert!(config.address.ip().is_loopback());
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let check = |config: HttpServerConfig, expected: &str| {
            let error = config.check().unwrap_err();
            assert_eq!(error.field(), Some(expected), "{error}");
        };
        let head_bytes_max = 100;
        check(
            HttpServerConfig {
                head_bytes_max,
                ..HttpServerConfig::default()
            },
            "head_bytes_max",
        );
        let request_timeout_ms = 0;
        check(
            HttpServerConfig {
                request_timeout_ms,
                ..HttpServerConfig::default()
            },
            "request_timeout_ms",
        );
        let connections_max = 0;
        check(
            HttpServerConfig {
                connections_max,
                ..HttpServerConfig::default()
            },
            "connections_max",
        );
    }
}
