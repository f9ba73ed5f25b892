//! The server against real connections.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod bodies;
mod limits;
mod other_ways;
mod requests;
mod support;
mod websockets;
