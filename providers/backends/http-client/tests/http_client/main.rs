//! A client and real servers, each thing both ways: the client itself, and the client as another
//! node sees it.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod bodies;
mod connections;
mod denied;
mod failures;
mod lattice;
mod requests;
mod server;
mod support;
mod times;
mod tls;
mod websockets;
