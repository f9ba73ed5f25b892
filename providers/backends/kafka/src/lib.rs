//! Apache Kafka as a provider: wasi:messaging, with subscriptions. A topic of the interface is a topic of
//! Kafka.
//!
//! ```text
//! component ── send ──> a record, acknowledged by all replicas in sync
//! consumer group of an app's component ── partition ── handler ──> the contiguous prefix is committed
//! ```
//!
//! The client is librdkafka. Its own threads call back only to have something noted down; a consumer is polled
//! by a thread of this crate, because its callbacks wait: no task of the node does.
//!
//! Invariants:
//! - an offset is committed when every message before it was handled or is stored as a dead letter, and
//!   never for a partition that has been taken away;
//! - what was done behind the first message that is not, and which attempts have failed, goes along with the
//!   offset: so a message that takes long has none repeated but itself;
//! - no more messages are held than may be in hand, some hundred beside them, and those that wait for their
//!   next attempt;
//! - a topic that is not there is made only where that is asked for.
//!
//! Start reading at [`Kafka`].

mod admin;
mod client;
mod config;
mod context;
mod messaging;
mod topics;

pub use client::{ConnectError, Kafka};
pub use config::{KafkaConfig, KafkaGroupProtocol, KafkaSasl};
