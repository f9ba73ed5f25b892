//! What one component may take.

use std::time::Duration;

use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wrt_contract::GateLimits;

/// The limits of one component. Those of memory and tables hold for one instance, so that the
/// component as a whole may take [`concurrency_max`](Self::concurrency_max) times as much.
///
/// Nothing is checked here: a node takes all of them from its desired state, where each has its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentLimits {
    /// Bytes of each linear memory. Growth beyond it fails in the guest, as it does on a machine
    /// whose memory is full.
    pub memory_bytes_max: u64,
    /// How long one invocation may take, waiting included.
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

/// Enough for a test or an example.
impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 128 << 20,
            wall_time_max: Duration::from_secs(10),
            concurrency_max: 64,
            queue_max: 256,
            table_elements_max: 100_000,
            tables_max: 16,
            memories_max: 4,
            core_instances_max: 100,
        }
    }
}

impl ComponentLimits {
    /// Those of its gate.
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
