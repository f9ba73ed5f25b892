//! Requests to the world outside, as a provider of `wasi:http`; and websockets to there, as one of `wrt:websocket`.
//!
//! ```text
//! request ─> Origin ─> AllowList ─> pool ─ no connection ─> resolve ─> AllowList ─> connect ─> TLS
//!                                     └─── one that is free ──────────────────────────┐
//! response <── body, held to its times <──────────────────────────────────────────────┘
//!
//! Peers::connect ─> Origin ─> AllowList ─> resolve ─> AllowList ─> connect ─> TLS ─> handshake ─> peer, to its end
//! ```
//!
//! Invariants:
//! - nothing is reached that the allow-list does not name, and the address that was checked is the one
//!   that is connected to, for each connection anew;
//! - redirects are the guest's business: each is a request like any other;
//! - a body is never collected on its way; dropping the call, or a body, stops the request;
//! - no proxy, no environment: what is not in the settings does not exist.
//!
//! Start reading at [`HyperClient`] and [`AllowList`].

mod allow;
mod body;
mod client;
mod config;
mod connection;
mod connector;
mod error;
mod head;
pub mod limits;
mod origin;
mod pace;
mod places;
mod resolver;
mod target;
mod tls;
mod websocket;

pub use allow::{AllowList, AllowRule, RuleError};
pub use client::{HttpClientCounts, HyperClient, SetupError};
pub use config::{Http2, HttpClientConfig};
pub use origin::{Origin, UriHost};
pub use tls::CertificateError;
pub use websocket::ConnectRoute;
