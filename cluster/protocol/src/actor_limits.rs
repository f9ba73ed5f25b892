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

/// Invocations that one instance serves, one after another.
pub const INVOCATIONS_PER_INSTANCE: RangeInclusive<u64> = 1..=1_000_000;
/// Invocations that an instance of 0.3 serves, where the manifest does not say: what the reference host
/// lets it serve. One of 0.2 serves one.
pub const INVOCATIONS_PER_INSTANCE_DEFAULT: u32 = 128;
/// Invocations that one instance may serve at a time.
pub const INVOCATIONS_AT_ONCE: RangeInclusive<u64> = 1..=1024;
/// Milliseconds that an instance waits for its next invocation.
pub const INSTANCE_IDLE_MS: RangeInclusive<u64> = 0..=3_600_000;
/// Milliseconds that an instance waits for its next invocation, where the manifest does not say: as long
/// as in the reference host.
pub const INSTANCE_IDLE_MS_DEFAULT: u64 = 1000;
/// Instances that wait. Where the manifest does not say, as many as run at a time.
pub const INSTANCES_KEPT: RangeInclusive<u64> = 0..=CALLS_IN_HAND_MAX as u64;

/// What a component may use. Those of memories and tables hold for one instance, so that a replica may
/// take [`concurrency_max`](Self::concurrency_max) times as much, and once more what instances that wait
/// have in memory.
///
/// The last four are absent in what older nodes have stored, and where a manifest does not name them.
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
    /// Invocations that one instance serves, one after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations_per_instance_max: Option<u32>,
    /// Invocations that one instance serves at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations_at_once_max: Option<u32>,
    /// How long an instance waits for its next invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_idle_ms_max: Option<u64>,
    /// Instances that wait, for each replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances_kept_max: Option<u32>,
}

/// What an instance of a component takes from its first moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ComponentNeeds {
    /// Bytes of the largest memory.
    pub memory_bytes: u64,
    /// Elements of the largest table.
    pub table_elements: u64,
    /// Tables.
    pub tables: u32,
    /// Memories.
    pub memories: u32,
    /// Core instances.
    pub core_instances: u32,
}

impl ComponentNeeds {
    /// What both need together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            table_elements: self.table_elements.max(other.table_elements),
            tables: self.tables.saturating_add(other.tables),
            memories: self.memories.saturating_add(other.memories),
            core_instances: self.core_instances.saturating_add(other.core_instances),
        }
    }
}

/// A limit below what a component needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is {value}, and the component needs {needed} to start")]
pub struct Shortage {
    /// Which one.
    pub limit: &'static str,
    /// What it is.
    pub value: u64,
    /// What it must be at least.
    pub needed: u64,
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
            invocations_per_instance_max: None,
            invocations_at_once_max: None,
            instance_idle_ms_max: None,
            instances_kept_max: None,
        }
    }
}

impl ComponentLimits {
    /// How long one invocation may take, waiting included.
    #[must_use]
    pub fn wall_time_max(&self) -> Duration {
        Duration::from_millis(self.wall_time_ms_max)
    }

    /// Invocations that one instance serves, one after another; `is_of_0_3` says which interfaces it is
    /// made for.
    #[must_use]
    pub fn invocations_per_instance_max(&self, is_of_0_3: bool) -> u32 {
        let default = if is_of_0_3 {
            INVOCATIONS_PER_INSTANCE_DEFAULT
        } else {
            1
        };
        self.invocations_per_instance_max.unwrap_or(default)
    }

    /// Invocations that one instance serves at a time: one, where the manifest does not name more. Those
    /// of 0.3 alone can.
    #[must_use]
    pub fn invocations_at_once_max(&self) -> u32 {
        self.invocations_at_once_max.unwrap_or(1)
    }

    /// How long an instance waits for its next invocation.
    #[must_use]
    pub fn instance_idle_max(&self) -> Duration {
        Duration::from_millis(
            self.instance_idle_ms_max
                .unwrap_or(INSTANCE_IDLE_MS_DEFAULT),
        )
    }

    /// Instances that wait, for each replica.
    #[must_use]
    pub fn instances_kept_max(&self) -> u32 {
        self.instances_kept_max.unwrap_or(self.concurrency_max)
    }

    /// Those below what a component needs: no instance of it could be made.
    #[must_use]
    pub fn shortages(&self, needs: &ComponentNeeds) -> Vec<Shortage> {
        let all = [
            (
                "memory_bytes_max",
                self.memory_bytes_max,
                needs.memory_bytes,
            ),
            (
                "table_elements_max",
                self.table_elements_max,
                needs.table_elements,
            ),
            ("tables_max", self.tables_max.into(), needs.tables.into()),
            (
                "memories_max",
                self.memories_max.into(),
                needs.memories.into(),
            ),
            (
                "core_instances_max",
                self.core_instances_max.into(),
                needs.core_instances.into(),
            ),
        ];
        let short = all.into_iter().filter(|(_, value, needed)| value < needed);
        let shortage = |(limit, value, needed)| Shortage {
            limit,
            value,
            needed,
        };
        short.map(shortage).collect()
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
        )?;
        if let Some(invocations) = self.invocations_per_instance_max {
            let range = INVOCATIONS_PER_INSTANCE;
            within("invocations_per_instance_max", invocations, range)?;
        }
        if let Some(at_once) = self.invocations_at_once_max {
            within("invocations_at_once_max", at_once, INVOCATIONS_AT_ONCE)?;
        }
        if let Some(idle) = self.instance_idle_ms_max {
            within("instance_idle_ms_max", idle, INSTANCE_IDLE_MS)?;
        }
        if let Some(kept) = self.instances_kept_max {
            within("instances_kept_max", kept, INSTANCES_KEPT)?;
        }
        Ok(())
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
