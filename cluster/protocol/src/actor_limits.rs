//! What components and providers may take, as it is stored and as it is held to: the one place that says
//! which numbers are legal.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::limits::{BUDGET_MAX, CALLS_IN_HAND_MAX};

/// Bytes of each memory of an instance: from one page to what a 32-bit guest can address.
pub const MEMORY_BYTES: RangeInclusive<u64> = 64 * 1024..=4 * 1024 * 1024 * 1024;
/// Bytes of each memory of an instance, where the manifest does not say.
pub const MEMORY_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;
/// Milliseconds that one invocation may take.
pub const WALL_TIME_MS: RangeInclusive<u64> = 1..=BUDGET_MAX.as_millis() as u64;
/// Milliseconds that one invocation may take, where the manifest does not say.
pub const WALL_TIME_MS_DEFAULT: u64 = 10_000;
/// Calls that an actor runs at a time.
pub const CONCURRENCY: RangeInclusive<u64> = 1..=CALLS_IN_HAND_MAX as u64;
/// Invocations that a component runs at a time, where the manifest does not say: each has memory of
/// its own.
pub const COMPONENT_CONCURRENCY_DEFAULT: u32 = 64;
/// Calls that a provider runs at a time, where the manifest does not say.
pub const CONCURRENCY_DEFAULT: u32 = 256;
/// Calls that wait for an actor. With 0 it takes only what it can run at once.
pub const QUEUE: RangeInclusive<u64> = 0..=CALLS_IN_HAND_MAX as u64;
/// Invocations that wait for a component, where the manifest does not say.
pub const COMPONENT_QUEUE_DEFAULT: u32 = 256;
/// Calls that wait for a provider, where the manifest does not say.
pub const QUEUE_DEFAULT: u32 = 1024;
/// Elements of each table of an instance.
pub const TABLE_ELEMENTS: RangeInclusive<u64> = 1..=10_000_000;
/// Elements of each table, where the manifest does not say: a function pointer takes one.
pub const TABLE_ELEMENTS_DEFAULT: u64 = 100_000;
/// Tables of an instance.
pub const TABLES: RangeInclusive<u64> = 1..=1000;
/// Tables of an instance, where the manifest does not say.
pub const TABLES_DEFAULT: u32 = 16;
/// Memories of an instance.
pub const MEMORIES: RangeInclusive<u64> = 1..=100;
/// Memories of an instance, where the manifest does not say.
pub const MEMORIES_DEFAULT: u32 = 4;
/// Core instances of an instance.
pub const CORE_INSTANCES: RangeInclusive<u64> = 1..=10_000;
/// Core instances, where the manifest does not say. A guest in a compiled language has about 4, one
/// that carries an interpreter about 40.
pub const CORE_INSTANCES_DEFAULT: u32 = 100;

/// What a component may use. Those of memories and tables hold for one instance, so that a replica may
/// take [`concurrency_max`](Self::concurrency_max) times as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentLimits {
    /// Bytes of each memory.
    pub memory_bytes_max: u64,
    /// How long one invocation may take, waiting included.
    pub wall_time_ms_max: u64,
    /// Invocations that run at a time, for each replica.
    pub concurrency_max: u32,
    /// Invocations that wait, for each replica. One more is refused at once.
    pub queue_max: u32,
    /// Elements of each table.
    pub table_elements_max: u64,
    /// Tables.
    pub tables_max: u32,
    /// Memories.
    pub memories_max: u32,
    /// Core instances.
    pub core_instances_max: u32,
}

/// What a provider may take in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderLimits {
    /// Calls that run at a time, for each replica.
    pub concurrency_max: u32,
    /// Calls that wait, for each replica. One more is refused at once.
    pub queue_max: u32,
}

/// A limit out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is {value}: it must be from {min} to {max}")]
pub struct LimitError {
    /// Which one.
    pub limit: &'static str,
    /// What it is.
    pub value: u64,
    /// The least that it may be.
    pub min: u64,
    /// The most that it may be.
    pub max: u64,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            wall_time_ms_max: WALL_TIME_MS_DEFAULT,
            concurrency_max: COMPONENT_CONCURRENCY_DEFAULT,
            queue_max: COMPONENT_QUEUE_DEFAULT,
            table_elements_max: TABLE_ELEMENTS_DEFAULT,
            tables_max: TABLES_DEFAULT,
            memories_max: MEMORIES_DEFAULT,
            core_instances_max: CORE_INSTANCES_DEFAULT,
        }
    }
}

impl ComponentLimits {
    /// How long one invocation may take, waiting included.
    #[must_use]
    pub fn wall_time_max(&self) -> Duration {
        Duration::from_millis(self.wall_time_ms_max)
    }

    /// Checks each limit.
    ///
    /// # Errors
    /// The first one that is out of its range.
    pub fn validate(&self) -> Result<(), LimitError> {
        within("memory_bytes_max", self.memory_bytes_max, MEMORY_BYTES)?;
        within("wall_time_ms_max", self.wall_time_ms_max, WALL_TIME_MS)?;
        within("concurrency_max", self.concurrency_max, CONCURRENCY)?;
        within("queue_max", self.queue_max, QUEUE)?;
        within(
            "table_elements_max",
            self.table_elements_max,
            TABLE_ELEMENTS,
        )?;
        within("tables_max", self.tables_max, TABLES)?;
        within("memories_max", self.memories_max, MEMORIES)?;
        within(
            "core_instances_max",
            self.core_instances_max,
            CORE_INSTANCES,
        )
    }
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            concurrency_max: CONCURRENCY_DEFAULT,
            queue_max: QUEUE_DEFAULT,
        }
    }
}

impl ProviderLimits {
    /// Checks each limit.
    ///
    /// # Errors
    /// The first one that is out of its range.
    pub fn validate(&self) -> Result<(), LimitError> {
        within("concurrency_max", self.concurrency_max, CONCURRENCY)?;
        within("queue_max", self.queue_max, QUEUE)
    }
}

fn within(
    limit: &'static str,
    value: impl Into<u64>,
    range: RangeInclusive<u64>,
) -> Result<(), LimitError> {
    let value = value.into();
    if range.contains(&value) {
        return Ok(());
    }
    Err(LimitError {
        limit,
        value,
        min: *range.start(),
        max: *range.end(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges_and_the_edges_are_legal() {
        ComponentLimits::default().validate().unwrap();
        ProviderLimits::default().validate().unwrap();
        let edges = ProviderLimits {
            concurrency_max: 1,
            queue_max: 0,
        };
        edges.validate().unwrap();
        let limits = ComponentLimits {
            memory_bytes_max: 65_535,
            ..ComponentLimits::default()
        };
        let error = limits.validate().unwrap_err();
        assert_eq!((error.limit, error.min), ("memory_bytes_max", 65_536));
    }
}
