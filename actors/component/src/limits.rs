//! What one instance may take, as its store has it.

use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wrt_protocol::ComponentLimits;

/// Nothing is checked here: a node takes all of them from its desired state, where each has its range.
pub(crate) fn of_store(limits: &ComponentLimits) -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(limits.table_elements_max).unwrap_or(usize::MAX))
        .tables(limits.tables_max as usize)
        .memories(limits.memories_max as usize)
        .instances(limits.core_instances_max as usize)
        .build()
}
