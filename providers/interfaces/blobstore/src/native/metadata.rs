//! What is known of containers and objects.

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

/// Seconds since 1970, by the clock of whoever keeps the object.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, Schema,
)]
pub struct Timestamp(pub u64);

/// What is known of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct ContainerInfo {
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct ObjectInfo {
    /// When its bytes were stored.
    pub created_at: Timestamp,
    /// How many there are.
    pub size_bytes: u64,
}
