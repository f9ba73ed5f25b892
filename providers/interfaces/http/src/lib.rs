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
//!
//! Built for `wasm32` the crate is the other side: what a guest calls, and none of the above.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod guest;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
mod native;

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use guest::*;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
pub use native::*;
