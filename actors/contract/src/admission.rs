//! How long a call with a body counts as running.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Body, CallContext, Gate, Permit};

/// The permit of a call that has a body. Work that outlives the call's answer takes it along;
/// otherwise it stays with the body of the answer.
///
/// Without it a component's concurrency limit would count answers, while the instances behind their
/// bodies still run.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Mutex<Option<Permit>>>);

impl Admission {
    pub(crate) fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// The permit, if nobody has taken it yet. Dropping it lets the next call in.
    #[must_use]
    pub fn take(&self) -> Option<Permit> {
        self.0.lock().take()
    }

    /// The same, if it is `gate`'s.
    pub(crate) fn take_of(&self, gate: &Arc<Gate>) -> Option<Permit> {
        let mut permit = self.0.lock();
        permit.take_if(|permit| permit.is_of(gate))
    }
}

/// A call with a body, in the guard: it gives the permit back when it ends, unless the callee or the
/// body of the answer has it.
#[derive(Debug)]
pub struct Admitted {
    context: CallContext,
    admission: Admission,
}

impl Admitted {
    /// The call of `context`, which was admitted.
    #[must_use]
    pub fn new(permit: Permit, context: &CallContext) -> Self {
        let admission = Admission::new(permit);
        Self {
            context: context.clone().with_admission(admission.clone()),
            admission,
        }
    }

    /// The context for the callee, with the admission in it.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// The body of the answer, which holds the permit, unless the callee has taken it.
    #[must_use]
    pub fn hold<E>(self, body: Body<E>) -> Body<E> {
        match self.admission.take() {
            Some(permit) => body.holding(permit),
            None => body,
        }
    }
}

impl Drop for Admitted {
    /// A callee's clone of the context may live on; the permit does not.
    fn drop(&mut self) {
        drop(self.admission.take());
    }
}
