//! `wasi:http`, the server's side: requests from outside, answered by components.
//!
//! ```text
//! trigger ──> HttpLink ── local slot filled ──> HttpGuarded (gate, deadline) ──> HttpComponent
//!                └─────── otherwise ──────────> HttpRemote ··· bus ··· HttpDispatcher ──> HttpGuarded
//! ```
//!
//! Invariants:
//! - a body is never collected on its way, but for one that is small and whole;
//! - a body that did not end well never looks like one that did;
//! - dropping the future of a response, or its body, stops the guest behind it;
//! - a request counts against its component's concurrency until its guest is done.
//!
//! Start reading at [`HttpHandler`].

mod admission;
mod convert;
mod dispatcher;
mod gather;
mod guard;
mod handler;
mod head;
mod host;
mod interface;
pub mod limits;
mod link;
mod remote;

pub use admission::Admission;
pub use convert::{HttpBody, from_http};
pub use handler::HttpHandler;
pub use host::{HttpComponent, WasiHttp};
pub use interface::HttpInterface;
