//! NATS as a provider: wasi:keyvalue and wasi:blobstore on JetStream, wasi:config from a bucket there, and
//! wasi:messaging with subscriptions. This is a guest's own NATS server, or its own account of one; the lattice's bus is another matter, although one server may serve both.
//!
//! Invariants:
//! - a guest reaches the buckets under its provider's prefix and no others: not those of the lattice,
//!   even on the same account;
//! - a write is sent again only with the same message id: an attempt whose answer was lost is never
//!   a second write, and never makes its own second attempt fail;
//! - nothing has a time to live but the marks that deleted keys leave behind;
//! - a message is acknowledged to the server when its handler has returned ok, or when it is stored as a
//!   dead letter, and never before;
//! - an object is there when the message that names its bytes is stored, after all of them; bytes that no
//!   object names are collected, and never seen;
//! - settings that were read are served until others are: a bucket that is gone, emptied or over a
//!   limit is told in the log, and takes nothing away.
//!
//! Start reading at [`Nats`].

mod attempt;
mod blobstore;
mod client;
mod config;
mod config_bucket;
mod config_store;
mod keyvalue;
mod messaging;
mod permissions;
mod refusal;

pub use client::{ConnectError, Nats};
pub use config::{NatsConfig, NatsStorage};
