//! `wasi:http`: requests from outside, answered by components, and requests of components, answered by
//! whoever is outside.
//!
//! ```text
//! wasi:http/handler   HttpHandler   a component exports it, a server calls it; a component of 0.3 may
//!                                   import it, to stand in front of another one
//! wasi:http           HttpClient    a component imports it (0.2 outgoing-handler, 0.3 client), a
//!                                   provider serves it, or another component does: HandlerAsClient
//! ```
//!
//! Invariants:
//! - a body is never collected on its way, but for one that is small and whole;
//! - a body that did not end well never looks like one that did;
//! - dropping the future of a response, or its body, stops the guest behind it;
//! - a request counts against its component's concurrency until its guest is done.
//!
//! Start reading at [`HttpHandler`] and [`HttpClient`]. What is HTTP's own is in `head` and `convert`;
//! `host` has the guests.

mod aside;
mod client;
mod convert;
mod error;
mod handler;
mod head;
mod host;
mod patience;

pub use client::{HandlerAsClient, HttpClient, HttpClientInterface, RequestOptions};
pub use convert::{HttpBody, from_http};
pub use error::HttpError;
pub use handler::{HttpHandler, HttpHandlerInterface};
pub use head::{RequestHead, ResponseHead};
pub use host::{HttpComponent, WasiHttp};
pub use patience::with_patience;
