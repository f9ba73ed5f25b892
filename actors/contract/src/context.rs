//! What goes along with a call.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;
use wrt_protocol::{
    Fault, FaultKind, Hop, Tenant, TraceContext,
    limits::{BUDGET_DEFAULT, BUDGET_MAX},
};

use crate::Admission;

/// What an operation knows of the call that it serves: how long it may take, whose it is, and where
/// it stands in its trace. Cheap to clone.
///
/// An argument and not a task-local, because a task-local is silently lost at a spawn.
#[derive(Debug, Clone)]
pub struct CallContext {
    started: Instant,
    deadline: Instant,
    trace: Option<TraceContext>,
    tenant: Option<Tenant>,
    admission: Option<Admission>,
    /// The permit of a call that was admitted before it came to its guard.
    early: Option<Admission>,
}

impl CallContext {
    /// A call that starts now and may take `budget`, at most [`BUDGET_MAX`].
    #[must_use]
    pub fn with_budget(budget: Duration) -> Self {
        let started = Instant::now();
        Self {
            started,
            deadline: started + budget.min(BUDGET_MAX),
            trace: None,
            tenant: None,
            admission: None,
            early: None,
        }
    }

    /// The same call with less time: `budget` from now, or what is left if that is less.
    #[must_use]
    pub fn narrowed(&self, budget: Duration) -> Self {
        let deadline = self.deadline.min(Instant::now() + budget.min(BUDGET_MAX));
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// With its place in a trace.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// On behalf of a tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: Option<Tenant>) -> Self {
        self.tenant = tenant;
        self
    }

    pub(crate) fn with_admission(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
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
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// On whose behalf it is made.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// Waits for `work`, at most until the deadline.
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
        // Not `async`: that would keep `work` twice, before and inside the timeout.
        tokio::time::timeout_at(self.deadline, work).map(move |answer| {
            answer.map_err(|_elapsed| {
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
