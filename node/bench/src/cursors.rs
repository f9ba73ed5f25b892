//! What is pinned in the bench.

use std::{sync::Arc, time::Duration};

use wrt_contract::{CallContext, Gate, Lease, LeaseLimits, Leases, async_trait, interface};
use wrt_protocol::Fault;

/// Longer than the bench.
const LEASE_LIMITS: LeaseLimits = LeaseLimits {
    leases_max: 16,
    lasts: Duration::from_secs(3600),
};

/// Something small that a lease keeps.
#[interface(name = "bench:cursors", error = Fault)]
pub trait Cursors {
    /// Opens one.
    async fn open(&self, context: &CallContext) -> Result<Lease, Fault>;
    /// Reads from it.
    #[operation(idempotent)]
    async fn pinned(&self, context: &CallContext, #[lease] lease: &Lease) -> Result<u64, Fault>;
    /// Does the same work, wherever.
    #[operation(idempotent)]
    async fn unpinned(&self, context: &CallContext, lease: &Lease) -> Result<u64, Fault>;
}

/// The provider.
pub struct Served(Leases<u64>);

impl Served {
    pub fn new(gate: &Arc<Gate>) -> Self {
        Self(Leases::new(gate, LEASE_LIMITS))
    }
}

#[async_trait]
impl Cursors for Served {
    async fn open(&self, context: &CallContext) -> Result<Lease, Fault> {
        self.0.give(context, 7)
    }

    async fn pinned(&self, _: &CallContext, lease: &Lease) -> Result<u64, Fault> {
        Ok(*self.0.get(lease)?)
    }

    async fn unpinned(&self, _: &CallContext, lease: &Lease) -> Result<u64, Fault> {
        Ok(*self.0.get(lease)?)
    }
}
