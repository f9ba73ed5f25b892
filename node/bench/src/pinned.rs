//! A pinned call from one node to another, beside the same call unpinned.

use std::{sync::Arc, time::Duration};

use wrt_contract::{CallContext, Gate, Lease, LeaseLimits, Leases, async_trait, interface};
use wrt_protocol::Fault;

use crate::{rounds::in_turns, row::Row, serving::Pair};

const WORK: &str = "a pinned call, another node";
const BESIDE: &str = "the same call, unpinned";

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

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let pair = Pair::start().await?;
    let cursors = pair.remote::<CursorsInterface>()?;
    let lease = cursors.open(&CallContext::default()).await?;
    let pinned = async || -> anyhow::Result<()> {
        cursors.pinned(&CallContext::default(), &lease).await?;
        Ok(())
    };
    let unpinned = async || -> anyhow::Result<()> {
        cursors.unpinned(&CallContext::default(), &lease).await?;
        Ok(())
    };
    let (one, other_one) = in_turns(20, 1_000, 1, pinned, unpinned).await?;
    let (many, other_many) = in_turns(20, 12_800, 64, pinned, unpinned).await?;
    let row =
        |metric, unit, ours, theirs| Row::beside((WORK, metric, unit), ours, (BESIDE, theirs));
    Ok(vec![
        row(
            "p50, 1 in flight",
            "us",
            one.p50_micros,
            other_one.p50_micros,
        ),
        row(
            "throughput, 64 in flight",
            "1/s",
            many.per_second,
            other_many.per_second,
        ),
    ])
}
