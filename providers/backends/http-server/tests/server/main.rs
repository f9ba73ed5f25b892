//! The server against real connections.

mod bodies;
mod limits;
mod requests;
mod support;
