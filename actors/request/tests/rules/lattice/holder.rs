//! An interface with leases: a counter that lives in one replica, for as long as its lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use wrt_contract::{CallContext, Gate, Lease, LeaseLimits, Leases, async_trait, interface};
use wrt_protocol::Fault;

use super::probe::{How, Record};

/// Leases that a replica gives at a time.
pub const LEASES_MAX: usize = 4;

/// The tag of all its operations.
pub const TAG: u64 = 0;

/// How long one lasts.
pub const LASTS: Duration = Duration::from_secs(10);

#[interface(name = "test:holder", error = Fault)]
pub trait Holder {
    /// Starts to count at nought.
    async fn open(&self, context: &CallContext) -> Result<Lease, Fault>;
    /// Counts: the replica, and how far it has come.
    async fn step(
        &self,
        context: &CallContext,
        how: How,
        #[lease] lease: &Lease,
    ) -> Result<(String, u64), Fault>;
    /// As `step`, counting nothing.
    #[operation(idempotent)]
    async fn peek(
        &self,
        context: &CallContext,
        #[lease] lease: &Lease,
        how: How,
    ) -> Result<(String, u64), Fault>;
    /// Ends the lease.
    async fn close(&self, context: &CallContext, #[lease] lease: &Lease) -> Result<(), Fault>;
}

pub struct Counters {
    node: String,
    record: Arc<Record>,
    leases: Leases<AtomicU64>,
}

impl Counters {
    pub fn new(node: &str, record: &Arc<Record>, gate: &Arc<Gate>) -> Self {
        let limits = LeaseLimits {
            leases_max: LEASES_MAX,
            lasts: LASTS,
        };
        Self {
            node: node.to_owned(),
            record: Arc::clone(record),
            leases: Leases::new(gate, limits),
        }
    }

    async fn count(&self, lease: &Lease, how: How, by: u64) -> Result<(String, u64), Fault> {
        let running = self.record.begin(TAG);
        let counter = self.leases.get(lease);
        if how == How::Never {
            std::future::pending::<()>().await;
        }
        running.end();
        let count = counter?.fetch_add(by, Relaxed) + by;
        Ok((self.node.clone(), count))
    }
}

#[async_trait]
impl Holder for Counters {
    async fn open(&self, context: &CallContext) -> Result<Lease, Fault> {
        self.leases.give(context, AtomicU64::new(0))
    }

    async fn step(
        &self,
        context: &CallContext,
        how: How,
        lease: &Lease,
    ) -> Result<(String, u64), Fault> {
        self.record.saw(context);
        self.count(lease, how, 1).await
    }

    async fn peek(&self, _: &CallContext, lease: &Lease, how: How) -> Result<(String, u64), Fault> {
        self.count(lease, how, 0).await
    }

    async fn close(&self, _: &CallContext, lease: &Lease) -> Result<(), Fault> {
        self.leases.release(lease);
        Ok(())
    }
}
