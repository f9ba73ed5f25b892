//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

/// Why telemetry was not taken.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum OtelError {
    /// The provider's queue is full: the collector behind it is away, or too slow.
    #[error("the queue is full: {dropped} of {given} records dropped")]
    Full {
        /// How many records were dropped.
        dropped: u64,
        /// Of how many.
        given: u64,
    },
    /// The lattice failed, or the provider is away.
    #[error("{0}")]
    Fault(Fault),
}
