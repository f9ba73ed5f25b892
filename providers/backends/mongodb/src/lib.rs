//! MongoDB as a provider of wasi:blobstore: objects in GridFS.
//!
//! Invariants:
//! - bytes lie as GridFS has them, `<bucket>.files` and `<bucket>.chunks`, so that its tools read them; what
//!   an object is, one document says, and only that one is ever changed;
//! - no transactions, so a server that is no replica set does as well;
//! - every command ends with the call's deadline, and an error says whether it may have run.
//!
//! The suite runs against a stand-in for the server (SecantusDB): no genuine one could be had, and none was
//! tried.
//!
//! Start reading at [`MongoDb`].

mod blobstore;
mod client;
mod config;
mod error;

pub use client::{ConnectError, MongoDb};
pub use config::MongoDbConfig;
