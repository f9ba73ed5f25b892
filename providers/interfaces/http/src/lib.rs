//! `wasi:http`, the server's side: requests from outside, answered by components.
//!
//! Invariants:
//! - a body is never collected on its way, but for one that is small and whole;
//! - a body that did not end well never looks like one that did;
//! - dropping the future of a response, or its body, stops the guest behind it;
//! - a request counts against its component's concurrency until its guest is done.
//!
//! Start reading at [`HttpHandler`]. What is HTTP's own is in `head` and `convert`; `host` has the
//! guests.

mod client;
mod convert;
mod error;
mod handler;
mod head;
mod host;

pub use client::RequestOptions;
pub use convert::{HttpBody, from_http};
pub use error::HttpError;
pub use handler::{HttpHandler, HttpHandlerInterface};
pub use head::{RequestHead, ResponseHead};
pub use host::HttpComponent;
