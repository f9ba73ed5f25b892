//! A call with a body, in its guard.

use crate::{Admission, Body, CallContext, Permit};

/// A call with a body, in its guard: it gives the permit back when it ends, unless the callee or the
/// body of the answer has it.
#[derive(Debug)]
pub struct Admitted(Admission);

impl Admitted {
    /// The call of `context`, which was admitted, and which says so to the callee.
    #[must_use]
    pub fn new(permit: Permit, context: &mut CallContext) -> Self {
        let admission = Admission::new(permit);
        context.set_admission(admission.clone());
        Self(admission)
    }

    /// The body of the answer, which holds the permit, unless the callee has taken it.
    #[must_use]
    pub fn hold<E>(self, body: Body<E>) -> Body<E> {
        match self.0.take() {
            Some(permit) => body.holding(permit),
            None => body,
        }
    }
}

impl Drop for Admitted {
    /// A callee's clone of the context may live on; the permit does not.
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
