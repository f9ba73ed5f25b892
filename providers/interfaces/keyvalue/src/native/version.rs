//! Compare and swap.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

/// How a key was when it was read, a key that does not exist included. Opaque: only the provider
/// that gave it can compare it. May be as large as the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(transparent)]
pub struct Version(pub Bytes);

/// A key as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Versioned {
    /// Its value; none where it did not exist.
    pub value: Option<Bytes>,
    /// What a swap compares.
    pub version: Version,
}

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum SwapOutcome {
    /// The key was unchanged, and has the new value now.
    Swapped,
    /// The key had changed, and keeps its value.
    Failed,
}
