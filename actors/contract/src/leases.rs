//! What a replica keeps for the holders of its leases.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{task::AbortHandle, time::Instant};
use wrt_protocol::{Fault, FaultKind, Hop, LeaseId};

use crate::{CallContext, Gate, Lease, gate::LeaseHold, lease::lease_is_over};

/// How many leases a provider gives, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseLimits {
    /// Leases at a time; one more is *overloaded*.
    pub leases_max: usize,
    /// When a lease ends that nobody releases or renews.
    pub lasts: Duration,
}

/// What a provider keeps under leases: a bounded table in which each entry has its time.
///
/// Each live lease holds the provider's gate: a drain waits for it, up to its patience, and admits
/// the calls that are pinned by it. Cheap to clone; clones are one table. Dropping the last one ends
/// all leases.
pub struct Leases<T>(Arc<Table<T>>);

struct Table<T> {
    gate: Arc<Gate>,
    limits: LeaseLimits,
    kept: Mutex<HashMap<LeaseId, Kept<T>>>,
}

struct Kept<T> {
    value: Arc<T>,
    /// When it is over: a timer that was late to be stopped ends nothing before.
    ends_at: Instant,
    end: AbortHandle,
    _hold: LeaseHold,
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.end.abort();
    }
}

impl<T> Clone for Leases<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Leases<T> {
    /// An empty table of a provider behind `gate`.
    #[must_use]
    pub fn new(gate: &Arc<Gate>, limits: LeaseLimits) -> Self {
        Self(Arc::new(Table {
            gate: Arc::clone(gate),
            limits,
            kept: Mutex::default(),
        }))
    }

    /// Keeps `value` under a new lease, which names the replica that serves the call.
    ///
    /// # Errors
    /// Both *not executed*, and `value` is dropped: [`FaultKind::Overloaded`] when the table is full,
    /// [`FaultKind::Draining`] when the replica is stopping.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn give(&self, context: &CallContext, value: T) -> Result<Lease, Fault> {
        let LeaseLimits { leases_max, lasts } = self.0.limits;
        let lease = Lease::new(context.served_by().cloned(), lasts);
        let mut kept = self.0.lock();
        if kept.len() >= leases_max {
            let kind = FaultKind::Overloaded { retry_after_ms: 0 };
            let detail = format!("{leases_max} leases are given already");
            return Err(Fault::not_executed(kind, Hop::Actor, detail));
        }
        let hold = self.0.gate.hold(lease.id()).ok_or_else(|| {
            let detail = "the replica is stopping, and gives no leases";
            Fault::not_executed(FaultKind::Draining, Hop::Actor, detail)
        })?;
        let ends_at = Instant::now() + lasts;
        let entry = Kept {
            value: Arc::new(value),
            ends_at,
            end: self.0.end_at(ends_at, lease.id()),
            _hold: hold,
        };
        kept.insert(lease.id(), entry);
        Ok(lease)
    }

    /// What is kept under a lease. Whoever uses it when the lease ends has it to the end of that use.
    ///
    /// # Errors
    /// [`FaultKind::Unavailable`], *not executed*, when it is over, or not one of this replica.
    pub fn get(&self, lease: &Lease) -> Result<Arc<T>, Fault> {
        let kept = self.0.lock();
        let entry = kept.get(&lease.id());
        let value = entry.map(|entry| Arc::clone(&entry.value));
        value.ok_or_else(|| lease_is_over(lease))
    }

    /// Gives a lease its whole time again, from now on.
    ///
    /// # Errors
    /// As [`Leases::get`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn renew(&self, lease: &Lease) -> Result<(), Fault> {
        let mut kept = self.0.lock();
        let entry = kept.get_mut(&lease.id());
        let entry = entry.ok_or_else(|| lease_is_over(lease))?;
        entry.end.abort();
        entry.ends_at = Instant::now() + self.0.limits.lasts;
        entry.end = self.0.end_at(entry.ends_at, lease.id());
        Ok(())
    }

    /// Ends a lease; what was kept under it, if it was not over.
    pub fn release(&self, lease: &Lease) -> Option<Arc<T>> {
        let ended = self.0.lock().remove(&lease.id());
        ended.map(|entry| Arc::clone(&entry.value))
    }

    /// Leases that are not over.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> Table<T> {
    /// No code of others runs under it: a value is dropped after it is given back.
    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Kept<T>>> {
        self.kept.lock()
    }

    /// Ends a lease, unless it has been renewed since its timer went off.
    fn end_if_over(&self, id: &LeaseId) {
        let ended = {
            let mut kept = self.lock();
            let is_over = kept
                .get(id)
                .is_some_and(|entry| entry.ends_at <= Instant::now());
            is_over.then(|| kept.remove(id))
        };
        drop(ended);
    }
}

impl<T: Send + Sync + 'static> Table<T> {
    /// A task of each lease and not one of the table: what its value holds at a service is given back
    /// on time, and there are as many as leases, which are bounded.
    fn end_at(self: &Arc<Self>, ends_at: Instant, id: LeaseId) -> AbortHandle {
        let table = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(ends_at).await;
            if let Some(table) = table.upgrade() {
                table.end_if_over(&id);
            }
        });
        task.abort_handle()
    }
}

impl<T> fmt::Debug for Leases<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("count", &self.0.lock().len())
            .field("limits", &self.0.limits)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GateLimits;

    const LIMITS: LeaseLimits = LeaseLimits {
        leases_max: 2,
        lasts: Duration::from_secs(10),
    };

    /// A gate, and a table of one lease behind it.
    fn given() -> (Arc<Gate>, Leases<u8>, Lease) {
        let gate = Gate::new(GateLimits::default());
        let leases = Leases::new(&gate, LIMITS);
        let lease = leases.give(&CallContext::default(), 7).unwrap();
        (gate, leases, lease)
    }

    /// A task that has slept enough cannot be aborted any more, and ended the lease all the same.
    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_late_does_not_end_a_lease_that_was_renewed() {
        let (_gate, leases, lease) = given();
        tokio::time::advance(LIMITS.lasts / 2).await;
        leases.renew(&lease).unwrap();
        leases.0.end_if_over(&lease.id());
        assert_eq!(leases.get(&lease).as_deref(), Ok(&7));
        tokio::time::sleep(LIMITS.lasts + Duration::from_millis(1)).await;
        leases.get(&lease).unwrap_err();
    }

    /// What a drain keeps may hold the gate, which held it until the end of a drain that never came.
    #[tokio::test(start_paused = true)]
    async fn what_is_kept_goes_with_the_last_lease() {
        let (gate, leases, lease) = given();
        let needed = Arc::new(Arc::clone(&gate));
        gate.keep_for_leases(Arc::clone(&needed) as _);
        gate.start_draining();
        assert_eq!(Arc::strong_count(&needed), 2);
        leases.release(&lease);
        assert_eq!(Arc::strong_count(&needed), 1);
    }

    /// Between its withdrawal and its drain a replica still gives leases; their calls found nobody.
    #[tokio::test(start_paused = true)]
    async fn what_the_last_moment_gave_a_lease_is_kept_for_it() {
        for is_given in [true, false] {
            let gate = Gate::new(GateLimits::default());
            let leases = Leases::new(&gate, LIMITS);
            let needed = Arc::new(());
            gate.keep_for_leases(Arc::clone(&needed) as _);
            let lease = is_given.then(|| leases.give(&CallContext::default(), 7).unwrap());
            gate.start_draining();
            let refused = leases.give(&CallContext::default(), 8).unwrap_err();
            assert_eq!(refused.kind(), FaultKind::Draining);
            let kept = Arc::strong_count(&needed) > 1;
            assert_eq!(kept, lease.is_some());
        }
    }
}
