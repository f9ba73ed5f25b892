//! What one component may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wrt_contract::GateLimits;
use wrt_protocol::limits::BUDGET_MAX;

/// Linear memory of an instance, where a manifest does not say.
pub const MEMORY_BYTES_MAX_DEFAULT: u64 = 128 << 20;
/// Time for one invocation, where a manifest does not say.
pub const WALL_TIME_MAX_DEFAULT: Duration = Duration::from_secs(10);
/// Invocations at a time, where a manifest does not say.
pub const CONCURRENCY_MAX_DEFAULT: u32 = 64;
/// Invocations that wait, where a manifest does not say.
pub const QUEUE_MAX_DEFAULT: u32 = 256;
/// Elements of a table, where a manifest does not say: a function pointer takes one.
pub const TABLE_ELEMENTS_MAX_DEFAULT: u64 = 100_000;
/// Core instances in one instance, where a manifest does not say. A guest in a compiled language has
/// about 4, one that carries an interpreter about 40.
pub const CORE_INSTANCES_MAX_DEFAULT: u32 = 100;
/// Tables in one instance, where a manifest does not say.
pub const TABLES_MAX_DEFAULT: u32 = 16;
/// Linear memories in one instance, where a manifest does not say.
pub const MEMORIES_MAX_DEFAULT: u32 = 4;

/// The limits of one component. Those of memory and tables hold for one instance, so that the
/// component as a whole may take [`concurrency_max`](Self::concurrency_max) times as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComponentLimits {
    /// Bytes of each linear memory. Growth beyond it fails in the guest, as it does on a machine
    /// whose memory is full.
    pub memory_bytes_max: u64,
    /// How long one invocation may take, waiting included. In a manifest: `wall_time_max_millis`.
    #[serde(rename = "wall_time_max_millis", with = "millis")]
    pub wall_time_max: Duration,
    /// Invocations that run at a time, each in an instance of its own.
    pub concurrency_max: u32,
    /// Invocations that wait for one of those to end. One more is refused at once.
    pub queue_max: u32,
    /// Elements of each table.
    pub table_elements_max: u64,
    /// Tables.
    pub tables_max: u32,
    /// Linear memories.
    pub memories_max: u32,
    /// Core instances.
    pub core_instances_max: u32,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: MEMORY_BYTES_MAX_DEFAULT,
            wall_time_max: WALL_TIME_MAX_DEFAULT,
            concurrency_max: CONCURRENCY_MAX_DEFAULT,
            queue_max: QUEUE_MAX_DEFAULT,
            table_elements_max: TABLE_ELEMENTS_MAX_DEFAULT,
            tables_max: TABLES_MAX_DEFAULT,
            memories_max: MEMORIES_MAX_DEFAULT,
            core_instances_max: CORE_INSTANCES_MAX_DEFAULT,
        }
    }
}

/// A limit that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is {value}: it must be between {min} and {max}")]
pub struct LimitError {
    /// Which one.
    pub limit: &'static str,
    /// What it was set to.
    pub value: u64,
    /// The least that it may be.
    pub min: u64,
    /// The most that it may be.
    pub max: u64,
}

impl ComponentLimits {
    /// Checks each limit against what a node can promise.
    ///
    /// # Errors
    /// The first one that is out of its range.
    pub fn validate(&self) -> Result<(), LimitError> {
        let wall_time_millis = u64::try_from(self.wall_time_max.as_millis()).unwrap_or(u64::MAX);
        let budget_millis = u64::try_from(BUDGET_MAX.as_millis()).unwrap_or(u64::MAX);
        within("memory_bytes_max", self.memory_bytes_max, 64 << 10, 4 << 30)?;
        within("wall_time_max_millis", wall_time_millis, 1, budget_millis)?;
        within("concurrency_max", self.concurrency_max.into(), 1, 65_536)?;
        within("queue_max", self.queue_max.into(), 0, 1 << 20)?;
        within("table_elements_max", self.table_elements_max, 1, 10_000_000)?;
        within("tables_max", self.tables_max.into(), 1, 1000)?;
        within("memories_max", self.memories_max.into(), 1, 100)?;
        within(
            "core_instances_max",
            self.core_instances_max.into(),
            1,
            10_000,
        )
    }

    /// The limits of the mailbox.
    #[must_use]
    pub fn gate(&self) -> GateLimits {
        GateLimits {
            concurrency_max: self.concurrency_max,
            queue_max: self.queue_max,
        }
    }

    pub(crate) fn store(&self) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(usize::try_from(self.memory_bytes_max).unwrap_or(usize::MAX))
            .table_elements(usize::try_from(self.table_elements_max).unwrap_or(usize::MAX))
            .tables(self.tables_max as usize)
            .memories(self.memories_max as usize)
            .instances(self.core_instances_max as usize)
            .build()
    }
}

fn within(limit: &'static str, value: u64, min: u64, max: u64) -> Result<(), LimitError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(LimitError {
            limit,
            value,
            min,
            max,
        })
    }
}

/// A duration as a whole number of milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_an_unknown_limit_is_an_error() {
        ComponentLimits::default().validate().unwrap();
        let limits: ComponentLimits = toml::from_str("wall_time_max_millis = 250").unwrap();
        assert_eq!(limits.wall_time_max, Duration::from_millis(250));
        assert_eq!(limits.queue_max, QUEUE_MAX_DEFAULT);
        let error = toml::from_str::<ComponentLimits>("wall_time = 250").unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }

    #[test]
    fn a_limit_out_of_range_says_which() {
        let limits = ComponentLimits {
            concurrency_max: 0,
            ..ComponentLimits::default()
        };
        let error = limits.validate().unwrap_err().to_string();
        assert_eq!(
            error,
            "concurrency_max is 0: it must be between 1 and 65536"
        );
    }
}
