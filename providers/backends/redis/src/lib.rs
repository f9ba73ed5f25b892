//! Redis as a provider of wasi:keyvalue.
//!
//! Invariants:
//! - a bucket is a part of the key (see the module `layout`); keys are plain Redis strings, so that
//!   other clients can read what a guest wrote, and no command looks at all keys at once;
//! - what must be one step is one command or one script on the server;
//! - every command ends with the call's deadline, and an error says whether it may have run.
//!
//! One server, or one endpoint that fails over behind its name. A Redis Cluster is not supported:
//! batches span its slots.
//!
//! Start reading at [`Redis`].

mod client;
mod config;
mod error;
mod eviction;
mod keyvalue;
mod layout;

pub use client::{ConnectError, Redis};
pub use config::RedisConfig;
