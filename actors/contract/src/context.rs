//! What goes along with a call.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;
use wrt_protocol::{
    Fault, FaultKind, Fence, Hop, IdempotencyKey, Incarnation, Origin, TraceContext,
    limits::{BUDGET_DEFAULT, BUDGET_MAX},
};

use crate::{Admission, NearEnd, deadlines::Until};

/// What an operation knows of the call that it serves: how long it may take, whose it is, where it
/// stands in its trace, and under which key its repetitions come. Cheap to clone: no text is copied.
///
/// An argument and not a task-local, because a task-local is silently lost at a spawn.
#[derive(Debug, Clone)]
pub struct CallContext {
    started: Instant,
    deadline: Instant,
    /// Of the id 0, which no trace has, if it is in none. In place, as each node would allocate one for each call
    /// otherwise; and no larger than that, as the futures of calls have contexts in them.
    trace: TraceContext,
    near_end: Option<Arc<NearEnd>>,
    fence: Option<Arc<Fence>>,
    key: Option<IdempotencyKey>,
    attempt: u32,
    served_by: Option<Incarnation>,
    admission: Option<Admission>,
    /// The permit of a call that was admitted before it came to its guard.
    early: Option<Admission>,
    /// How the replica on the caller's own node has failed it.
    failed_here: Option<Arc<Fault>>,
    deadline_watch: DeadlineWatch,
}

/// Who sees to it that a call ends at its deadline.
#[derive(Debug, Default)]
enum DeadlineWatch {
    /// Whoever waits for something on its behalf.
    #[default]
    Each,
    /// The guard before the callee, whose future all of this is part of.
    Guard,
}

/// Work that goes on with a clone is not in the guard's hand.
impl Clone for DeadlineWatch {
    fn clone(&self) -> Self {
        Self::Each
    }
}

const IN_NO_TRACE: TraceContext = TraceContext {
    trace_id: 0,
    span_id: 0,
    flags: 0,
    state: None,
};

impl CallContext {
    /// A call that starts now and may take `budget`, at most [`BUDGET_MAX`].
    #[must_use]
    pub fn with_budget(budget: Duration) -> Self {
        let started = Instant::now();
        Self {
            started,
            deadline: started + budget.min(BUDGET_MAX),
            trace: IN_NO_TRACE,
            near_end: None,
            fence: None,
            key: None,
            attempt: 1,
            served_by: None,
            admission: None,
            early: None,
            failed_here: None,
            deadline_watch: DeadlineWatch::Each,
        }
    }

    /// The context of one operation that is called on behalf of this call: the same but for a key of
    /// its own, and for who makes it, which is not who has made this one. A link makes it, above every
    /// retry and above the choice of a replica; so all attempts of an operation share a key, and no two
    /// operations do.
    #[must_use]
    pub fn for_operation(&self) -> Self {
        Self {
            started: self.started,
            deadline: self.deadline,
            trace: self.trace.clone(),
            near_end: None,
            fence: self.fence.clone(),
            key: Some(IdempotencyKey::mint()),
            attempt: 1,
            served_by: None,
            admission: None,
            early: None,
            failed_here: None,
            deadline_watch: DeadlineWatch::Each,
        }
    }

    /// As attempt number `attempt`, counted from 1, of the operation under `key`.
    #[must_use]
    pub fn with_attempt(mut self, key: IdempotencyKey, attempt: u32) -> Self {
        self.key = Some(key);
        self.attempt = attempt;
        self
    }

    /// Served on the node `here`; none where that is on no lattice.
    #[must_use]
    pub fn at(mut self, here: Option<Incarnation>) -> Self {
        self.served_by = here;
        self
    }

    /// The same call with less time: `budget` from now, or what is left if that is less.
    #[must_use]
    pub fn narrowed(&self, budget: Duration) -> Self {
        self.until(Instant::now() + budget.min(BUDGET_MAX))
    }

    /// The same call, which ends at `deadline` at the latest.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            deadline: self.deadline.min(deadline),
            ..self.clone()
        }
    }

    /// With its place in a trace.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace.unwrap_or(IN_NO_TRACE);
        self
    }

    #[inline]
    pub(crate) fn set_trace(&mut self, trace: TraceContext) {
        self.trace = trace;
    }

    /// Made by whose `near_end` that is; a link says it, or the exchange of what came over the bus.
    #[must_use]
    pub fn made_by(mut self, near_end: Option<Arc<NearEnd>>) -> Self {
        self.near_end = near_end;
        self
    }

    /// Under a lease of the lattice: see [`CallContext::fence`]. It takes the place of another one.
    #[must_use]
    pub fn with_fence(mut self, fence: Option<Fence>) -> Self {
        self.set_fence(fence);
        self
    }

    pub(crate) fn set_fence(&mut self, fence: Option<Fence>) {
        self.fence = fence.map(Arc::new);
    }

    /// The same operation after its first attempt, by the replica on this node, has ended with `fault`.
    #[must_use]
    pub fn having_failed_here(&self, fault: Fault) -> Self {
        Self {
            failed_here: Some(Arc::new(fault)),
            admission: None,
            ..self.clone()
        }
    }

    /// To be called with this context is a guard, and nobody else.
    pub fn leave_deadline_to_guard(&mut self) {
        self.deadline_watch = DeadlineWatch::Guard;
    }

    pub(crate) fn set_admission(&mut self, admission: Admission) {
        self.admission = Some(admission);
    }

    pub(crate) fn with_early(mut self, early: Admission) -> Self {
        self.early = Some(early);
        self
    }

    pub(crate) fn early(&self) -> Option<&Admission> {
        self.early.as_ref()
    }

    /// Its permit, where the operation has a body: to be taken along by work that outlives the
    /// answer.
    #[must_use]
    pub fn admission(&self) -> Option<&Admission> {
        self.admission.as_ref()
    }

    /// When it must have ended.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How much time is left; zero when none is.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Its place in a trace.
    #[must_use]
    #[inline]
    pub fn trace(&self) -> Option<&TraceContext> {
        (self.trace.trace_id != IN_NO_TRACE.trace_id).then_some(&self.trace)
    }

    /// Who makes the call: a component or a provider by its link, or an operator. None where no link has made it
    /// an operation's, and from a node of the build before. A guest cannot set it; another node can.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.near_end.as_deref().and_then(NearEnd::origin)
    }

    pub(crate) fn near_end(&self) -> Option<&NearEnd> {
        self.near_end.as_deref()
    }

    /// Under which lease of the lattice it is made, and by which of its holders; also where that one has
    /// called somebody who calls. The gate refuses what comes from a holder before one that it has seen. A
    /// backend whose service is shared with other replicas may hand the epoch on to it, or compare it where
    /// it writes ([`Fences`](crate::Fences)). None on most calls.
    #[must_use]
    pub fn fence(&self) -> Option<&Fence> {
        self.fence.as_deref()
    }

    /// The caller's intent: every attempt of one operation comes under the same key, co-located or
    /// not, and two operations never do. None on a context that no link and no path has made the
    /// context of an operation; what such a call does cannot be recognised when it comes again.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.key
    }

    /// Which attempt of the operation this is on its way over the bus, from 1. A first attempt may
    /// arrive after a second one.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How the operation's first attempt has ended, if a link has made that on this node. Whether
    /// another follows is decided by whom it is handed to, as after any other attempt.
    #[must_use]
    pub fn failed_here(&self) -> Option<&Fault> {
        self.failed_here.as_deref()
    }

    /// Which replica serves the call: that of this incarnation of a node. None on a node without a
    /// lattice, and on a context that no link and no exchange has sent to a replica.
    #[must_use]
    pub fn served_by(&self) -> Option<&Incarnation> {
        self.served_by.as_ref()
    }

    /// Waits for `work`, at most until the deadline. Where a guard watches the deadline already, it
    /// does, and drops `work`: a deadline is watched once on the way of a call through a node.
    ///
    /// # Errors
    /// [`FaultKind::DeadlineExceeded`], *maybe executed*, when the deadline comes first; `work` is
    /// dropped then.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn bound<T>(
        &self,
        hop: Hop,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Fault>> {
        let deadline = match self.deadline_watch {
            DeadlineWatch::Each => Some(self.deadline),
            DeadlineWatch::Guard => None,
        };
        self.ended_by(deadline, hop, work)
    }

    /// As [`CallContext::bound`], in a guard.
    pub(crate) fn guard<T>(
        &self,
        hop: Hop,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Fault>> {
        self.ended_by(Some(self.deadline), hop, work)
    }

    fn ended_by<T>(
        &self,
        deadline: Option<Instant>,
        hop: Hop,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Fault>> {
        // Not `async`: that would keep `work` twice, before and while it is awaited.
        Until::new(deadline, work).map(move |answer| {
            answer.ok_or_else(|| {
                let detail = "the budget of the call ran out";
                Fault::maybe_executed(FaultKind::DeadlineExceeded, hop, detail)
                    .after(self.elapsed())
            })
        })
    }
}

impl Default for CallContext {
    fn default() -> Self {
        Self::with_budget(BUDGET_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clone_is_not_in_the_guards_hand() {
        let mut context = CallContext::with_budget(Duration::from_millis(50));
        context.leave_deadline_to_guard();
        let in_the_guard = context.bound(Hop::Backend, future::pending::<()>());
        let not_ended = tokio::time::timeout(Duration::from_secs(1), in_the_guard).await;
        assert!(not_ended.is_err(), "the guard ends it");
        let clone = context.clone();
        let work = clone.bound(Hop::Backend, future::pending::<()>()).await;
        assert_eq!(work.unwrap_err().kind(), FaultKind::DeadlineExceeded);
    }
}
