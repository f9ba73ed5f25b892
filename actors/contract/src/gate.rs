//! The gate: admission before work.

mod links;

use std::{
    any::Any,
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{AcquireError, SemaphorePermit},
    time::Instant,
};
use wrt_protocol::{
    ActorAddress, ActorKind, ComponentLimits, Fault, FaultKind, Hop, LeaseId,
    actor_limits::{CONCURRENCY_DEFAULT, QUEUE_DEFAULT},
};

use self::links::LinksIn;
use crate::{
    Admission, CallContext, Fences, Lease, Permit, Tenure, permit::Permits, tenure::Tenured,
};

/// How much an actor takes in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Calls that run at a time.
    pub concurrency_max: u32,
    /// Calls that wait for one of those to end. One more is refused at once.
    pub queue_max: u32,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            concurrency_max: CONCURRENCY_DEFAULT,
            queue_max: QUEUE_DEFAULT,
        }
    }
}

impl From<&ComponentLimits> for GateLimits {
    fn from(limits: &ComponentLimits) -> Self {
        Self {
            concurrency_max: limits.concurrency_max,
            queue_max: limits.queue_max,
        }
    }
}

/// What an actor has in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateLoad {
    /// Calls running.
    pub running: u32,
    /// Calls waiting.
    pub waiting: u32,
    /// Calls that may run at a time.
    pub concurrency_max: u32,
    /// Calls admitted since it was made.
    pub admitted: u64,
    /// Calls refused since it was made, because it was full, draining, or their time was up, or because they
    /// were fenced off or had no link.
    pub refused: u64,
    /// Of these, those that were fenced off.
    pub fenced: u64,
    /// And those of callers without a link.
    pub denied: u64,
}

/// What an actor is behind. A call runs with a [`Permit`], or waits for one in a bounded queue, or
/// is refused: nothing is started that was not admitted.
///
/// A semaphore and not a channel with a task behind it: the call runs on its caller's task, so that
/// a co-located call has no wake-up, and dropping the caller's future is all that a cancellation is.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    /// Where a call is that was let in.
    hop: Hop,
    permits: Arc<Permits>,
    waiting: AtomicU32,
    admitted: AtomicU64,
    refused: AtomicU64,
    fenced: AtomicU64,
    links: LinksIn,
    held: Mutex<Held>,
    /// Whose calls have come.
    fences: Mutex<Fences>,
    /// Until when its actor may serve, if that is one of which one replica at a time does.
    tenure: OnceLock<Arc<dyn Tenure>>,
}

/// What leases hold.
#[derive(Debug, Default)]
struct Held {
    /// Those that a drain waits for. As many as the provider's tables allow.
    leases: HashSet<LeaseId>,
    /// What calls that are pinned by one still need while the gate drains. It may hold the gate in its
    /// turn, so it must not outlive the last lease.
    kept: Kept,
}

type Kept = Vec<Arc<dyn Any + Send + Sync>>;

/// A live lease; over when dropped.
#[derive(Debug)]
pub(crate) struct LeaseHold {
    gate: Arc<Gate>,
    id: LeaseId,
}

impl Drop for LeaseHold {
    fn drop(&mut self) {
        let kept = {
            let mut held = self.gate.held();
            held.leases.remove(&self.id);
            self.gate.needed_no_longer(&mut held)
        };
        drop(kept);
        self.gate.permits.released().notify_waiters();
    }
}

/// Lets go of what was kept for a drain, also when the drain is given up.
struct Drained<'a>(&'a Gate);

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        let kept = std::mem::take(&mut self.0.held().kept);
        drop(kept);
    }
}

/// Counts a waiting call, also when its future is dropped.
struct Waiting<'a>(&'a Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    /// A gate with `limits`; a concurrency of 0 counts as 1.
    #[must_use]
    pub fn new(limits: GateLimits) -> Arc<Self> {
        Self::before(Hop::Backend, limits)
    }

    /// The gate of an actor, whose kind says where a call is that was let in.
    #[must_use]
    pub fn of_actor(actor: &ActorAddress, limits: GateLimits) -> Arc<Self> {
        let hop = match actor.kind {
            ActorKind::Component => Hop::Actor,
            ActorKind::Provider => Hop::Backend,
        };
        Self::before(hop, limits)
    }

    fn before(hop: Hop, limits: GateLimits) -> Arc<Self> {
        let limits = GateLimits {
            concurrency_max: limits.concurrency_max.max(1),
            ..limits
        };
        Arc::new(Self {
            limits,
            hop,
            permits: Permits::new(limits.concurrency_max),
            waiting: AtomicU32::new(0),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            fenced: AtomicU64::new(0),
            links: LinksIn::default(),
            held: Mutex::default(),
            fences: Mutex::default(),
            tenure: OnceLock::new(),
        })
    }

    /// From now on it lets nobody in after `tenure` is over, what then still runs ends with a fault, and the
    /// calls that are made while one is served carry its fence. Said once, before anybody comes: what is said
    /// later changes nothing.
    pub fn belongs_to(&self, tenure: Arc<dyn Tenure>) {
        let _said_before = self.tenure.set(tenure);
    }

    /// Admits a call: at once, or when a running one ends, in the order of asking.
    ///
    /// # Errors
    /// All *not executed*: [`FaultKind::Overloaded`] at once when the queue is full,
    /// [`FaultKind::Draining`] when the actor is, or when its tenure is over,
    /// [`FaultKind::DeadlineExceeded`] when the call's time is up before its turn comes, and [`FaultKind::Fenced`] when by then a call under the same
    /// lease has come in a later epoch.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue.
    pub async fn admit(self: &Arc<Self>, context: &CallContext) -> Result<Permit, Fault> {
        self.check(context)?;
        if let Some(permit) = context
            .early()
            .and_then(|early| early.take_of(&self.permits))
        {
            return Ok(permit);
        }
        if self.is_draining() {
            return Err(self.refuse(context, FaultKind::Draining, "the replica is stopping"));
        }
        self.let_in(context).await
    }

    /// As [`Gate::admit`], of a call that is pinned by `lease`: while that is live, a gate that drains
    /// admits it too.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue.
    pub async fn admit_pinned(
        self: &Arc<Self>,
        context: &CallContext,
        lease: &Lease,
    ) -> Result<Permit, Fault> {
        self.check(context)?;
        if let Some(permit) = context
            .early()
            .and_then(|early| early.take_of(&self.permits))
        {
            return Ok(permit);
        }
        if self.is_draining() && !self.held().leases.contains(&lease.id()) {
            let detail = "the replica is stopping, and the lease is over";
            return Err(self.refuse(context, FaultKind::Draining, detail));
        }
        self.let_in(context).await
    }

    async fn let_in(self: &Arc<Self>, context: &CallContext) -> Result<Permit, Fault> {
        if context.deadline() <= Instant::now() {
            return Err(self.expired(context));
        }
        if let Ok(permit) = self.permits.free().try_acquire() {
            return Ok(self.permit(permit));
        }
        // In a box of its own: a timer is larger than all else that a call has here, and few wait.
        Box::pin(self.wait_for_turn(context)).await
    }

    async fn wait_for_turn(self: &Arc<Self>, context: &CallContext) -> Result<Permit, Fault> {
        if self.waiting.fetch_add(1, Relaxed) >= self.limits.queue_max {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(self.overloaded(context));
        }
        let _waiting = Waiting(self);
        let turn = self.permits.free().acquire();
        match tokio::time::timeout_at(context.deadline(), turn).await {
            Ok(Ok(permit)) => {
                // Another may have come meanwhile, and has not waited for its turn.
                self.check(context)?;
                Ok(self.permit(permit))
            }
            Ok(Err(AcquireError { .. })) => Err(self.refuse(
                context,
                FaultKind::Draining,
                "the replica stopped before the call's turn",
            )),
            Err(_elapsed) => Err(self.expired(context)),
        }
    }

    /// Admits a call before all of it is there: the next [`Gate::admit`] with the context that comes
    /// back lets it pass. Given back with the last clone of that context, if it was not used. While
    /// leases hold a gate that drains, nobody is refused here: who is pinned by one is not known yet.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    ///
    /// # Cancel safety
    /// As there.
    pub async fn admit_early(self: &Arc<Self>, context: CallContext) -> Result<CallContext, Fault> {
        if self.is_draining() && self.leases_held() > 0 {
            self.check(&context)?;
            return Ok(context);
        }
        let permit = self.admit(&context).await?;
        Ok(context.with_early(Admission::new(permit)))
    }

    /// Where a call is that was let in: in a component itself, or at the service behind a provider.
    #[must_use]
    pub fn hop(&self) -> Hop {
        self.hop
    }

    /// Runs what was admitted, at most until the call's deadline.
    ///
    /// # Errors
    /// As [`CallContext::bound`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn guard<T>(
        &self,
        context: &CallContext,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Fault>> {
        let work = context.guard(self.hop, work);
        Tenured::new(self.tenure.get(), self.hop, work)
    }

    /// The context of what a call does, where its actor has a tenure: under its fence. None where it has none,
    /// as most have.
    #[doc(hidden)]
    pub fn fenced(&self, context: &CallContext) -> Option<Box<CallContext>> {
        let tenure = self.tenure.get()?;
        Some(Box::new(context.clone().with_fence(Some(tenure.fence()))))
    }

    /// The same of a context that is the call's own.
    #[doc(hidden)]
    pub fn fence(&self, context: &mut CallContext) {
        if let Some(tenure) = self.tenure.get() {
            context.set_fence(Some(tenure.fence()));
        }
    }

    /// What the actor has in hand now.
    #[must_use]
    pub fn load(&self) -> GateLoad {
        let free = u32::try_from(self.permits.free().available_permits()).unwrap_or(u32::MAX);
        GateLoad {
            running: self.limits.concurrency_max.saturating_sub(free),
            waiting: self.waiting.load(Relaxed),
            concurrency_max: self.limits.concurrency_max,
            admitted: self.admitted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            fenced: self.fenced.load(Relaxed),
            denied: self.links.denied(),
        }
    }

    /// Refuses everything new from now on. Calls that wait in the queue still get their turn.
    pub fn start_draining(&self) {
        let kept = {
            let mut held = self.held();
            self.permits.start_draining();
            self.needed_no_longer(&mut held)
        };
        drop(kept);
        self.permits.released().notify_waiters();
    }

    /// Whether it refuses everything new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.permits.is_draining()
    }

    /// Leases that are live.
    #[must_use]
    pub fn leases_held(&self) -> usize {
        self.held().leases.len()
    }

    /// Holds the gate for a lease; not while it drains.
    pub(crate) fn hold(self: &Arc<Self>, id: LeaseId) -> Option<LeaseHold> {
        let mut held = self.held();
        if self.is_draining() {
            return None;
        }
        held.leases.insert(id);
        let gate = Arc::clone(self);
        Some(LeaseHold { gate, id })
    }

    /// Keeps what calls pinned by leases still need, as long as one is live or can be given: from
    /// before the drain, which has to follow, to the last lease or to the end of the drain's patience.
    pub(crate) fn keep_for_leases(&self, needed: Arc<dyn Any + Send + Sync>) {
        let mut held = self.held();
        if !self.is_draining() || !held.leases.is_empty() {
            held.kept.push(needed);
        }
    }

    /// What was kept, once nobody can need it any more; to be dropped without the lock.
    fn needed_no_longer(&self, held: &mut Held) -> Kept {
        match self.is_draining() && held.leases.is_empty() {
            true => std::mem::take(&mut held.kept),
            false => Kept::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock()
    }

    /// Drains: waits until nothing runs, nothing waits, and no lease is live, at most for `patience`.
    /// Answers whether it came so far; what still waits then is refused.
    pub async fn drain(&self, patience: Duration) -> bool {
        let _drained = Drained(self);
        self.start_draining();
        let emptied = async {
            loop {
                let released = self.permits.released().notified();
                let load = self.load();
                if load.running == 0 && load.waiting == 0 && self.leases_held() == 0 {
                    return;
                }
                // A waiting call that is dropped tells nobody, so the load is looked at again.
                let _looked_again = tokio::time::timeout(Duration::from_millis(20), released).await;
            }
        };
        let drained = tokio::time::timeout(patience, emptied).await.is_ok();
        self.permits.free().close();
        drained
    }

    /// Whether a call may come in at all, now.
    fn check(&self, context: &CallContext) -> Result<(), Fault> {
        if self.tenure.get().is_some_and(|tenure| tenure.is_over()) {
            let detail = "the lease under which this replica alone serves is over";
            return Err(self.refuse(context, FaultKind::Draining, detail));
        }
        self.fence_off(context)
    }

    /// Refuses a call whose caller had a lease that another has by now. Most calls have none, and pay nothing.
    fn fence_off(&self, context: &CallContext) -> Result<(), Fault> {
        let Some(fence) = context.fence() else {
            return Ok(());
        };
        let checked = self.fences.lock().check(fence, Instant::now(), Hop::Gate);
        checked.map_err(|fault| {
            self.refused.fetch_add(1, Relaxed);
            let is_fenced = fault.kind() == FaultKind::Fenced;
            self.fenced.fetch_add(u64::from(is_fenced), Relaxed);
            fault.after(context.elapsed())
        })
    }

    fn permit(&self, permit: SemaphorePermit<'_>) -> Permit {
        // From here on a permit of the gate gives it back, without an owner of the semaphore alone.
        permit.forget();
        self.admitted.fetch_add(1, Relaxed);
        Permit::taken(&self.permits)
    }

    fn refuse(&self, context: &CallContext, kind: FaultKind, detail: &str) -> Fault {
        self.refused.fetch_add(1, Relaxed);
        Fault::not_executed(kind, Hop::Gate, detail).after(context.elapsed())
    }

    fn expired(&self, context: &CallContext) -> Fault {
        self.refuse(
            context,
            FaultKind::DeadlineExceeded,
            "the call's time was up before its turn came",
        )
    }

    fn overloaded(&self, context: &CallContext) -> Fault {
        let GateLimits {
            concurrency_max,
            queue_max,
        } = self.limits;
        let kind = FaultKind::Overloaded {
            retry_after_ms: 1000,
        };
        self.refuse(
            context,
            kind,
            &format!("{concurrency_max} calls run and {queue_max} wait already"),
        )
    }
}

#[cfg(test)]
mod tests;
