//! Serves HTTP: listens on a port and hands each request to a component.
//!
//! HTTP/1.1 and HTTP/2 with prior knowledge on one port, without TLS: that ends in front of the node. Who begins
//! with TLS is answered 400, and the connection closed.
//! A route may be a websocket ([`WebSocketOptions`]): its peers are those of `wrt:websocket`. On HTTP/1.1 alone:
//! HTTP/2's own way to one (RFC 8441, extended CONNECT) is not offered in the settings of a connection, so that
//! clients open one of HTTP/1.1 for it; a stream that asks for it all the same is reset with `PROTOCOL_ERROR`.
//! Where a component runs is not known here; a handler may be a local replica or a link over the bus.
//!
//! Invariants:
//! - a client that goes away takes its request back: the handler's future and its bodies are dropped. Behind a
//!   body that nobody reads that is seen where what was sent fits into the connection's window, 64 KiB at least;
//! - an answer gets to its client, also to one that is still sending;
//! - a body that breaks breaks its connection or its stream, and never looks like a proper end;
//! - connections, requests, heads, bodies and waits are bounded, each by a named setting;
//! - what a client is told of a fault is its kind; the rest is in the log.
//!
//! Start reading at [`HttpServer`].

mod batch;
mod config;
mod connection;
mod connection_use;
mod descriptors;
mod linger;
mod listener;
mod metrics;
mod path;
mod request;
mod request_body;
mod response;
mod route_meter;
mod routing;
mod server;
mod service;
mod socket;
mod stall;
mod status;
mod websocket;

pub use config::{HttpServerConfig, Route, RouteError};
pub use listener::{BindError, HttpListener};
pub use metrics::HttpServerCounts;
pub use server::HttpServer;
pub use websocket::{WebSocketOptions, WebSockets};
