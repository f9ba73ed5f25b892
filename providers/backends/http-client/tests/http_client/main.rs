//! A client and real servers, each thing both ways: the client itself, and the client behind the
//! remote side of its interface, joined in memory.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod bodies;
mod denied;
mod failures;
mod requests;
mod server;
mod support;
mod times;
mod tls;
