//! What a node offers.

use clap::Args;
use wrt_deployment::Capacity;

/// What a node offers to replicas that ask for room. What they use is not measured.
#[derive(Debug, Clone, Args)]
pub struct CapacityArgs {
    /// Memory for replicas that ask for room, in MiB, all of them together; what they use is not
    /// measured [default: as much as they ask for]
    #[arg(
        long,
        value_name = "MIB",
        env = "WRT_CAPACITY_MEMORY_MIB",
        hide_env_values = true
    )]
    pub capacity_memory: Option<u32>,
    /// Calls at a time for replicas that ask for room, all of them together [default: as many as they
    /// ask for]
    #[arg(
        long,
        value_name = "CALLS",
        env = "WRT_CAPACITY_CONCURRENCY",
        hide_env_values = true
    )]
    pub capacity_concurrency: Option<u32>,
}

impl CapacityArgs {
    /// What they say.
    pub fn capacity(&self) -> Capacity {
        Capacity {
            memory_bytes: self.capacity_memory.map(|mib| u64::from(mib) * 1024 * 1024),
            concurrency: self.capacity_concurrency.map(u64::from),
        }
    }
}
