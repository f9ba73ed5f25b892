//! What components and providers may take, as it is stored: the one place that says which numbers are
//! legal.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::limits::{
    COMPONENT_CONCURRENCY_DEFAULT, COMPONENT_QUEUE_DEFAULT, CONCURRENCY, CONCURRENCY_DEFAULT,
    CORE_INSTANCES, CORE_INSTANCES_DEFAULT, MEMORIES, MEMORIES_DEFAULT, MEMORY_BYTES,
    MEMORY_BYTES_DEFAULT, QUEUE, QUEUE_DEFAULT, TABLE_ELEMENTS, TABLE_ELEMENTS_DEFAULT, TABLES,
    TABLES_DEFAULT, WALL_TIME_MS, WALL_TIME_MS_DEFAULT,
};

/// What a component may use. Those of memories and tables hold for one instance, so that a replica may
/// take [`concurrency_max`](Self::concurrency_max) times as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredComponentLimits {
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

impl Default for DesiredComponentLimits {
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

impl DesiredComponentLimits {
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
        DesiredComponentLimits::default().validate().unwrap();
        ProviderLimits::default().validate().unwrap();
        let edges = ProviderLimits {
            concurrency_max: 1,
            queue_max: 0,
        };
        edges.validate().unwrap();
        let limits = DesiredComponentLimits {
            memory_bytes_max: 65_535,
            ..DesiredComponentLimits::default()
        };
        let error = limits.validate().unwrap_err();
        assert_eq!((error.limit, error.min), ("memory_bytes_max", 65_536));
    }
}
