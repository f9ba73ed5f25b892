//! How long a call with a body counts as running.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Permit, permit::Permits};

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

    /// The same, if it is of the gate with those permits.
    pub(crate) fn take_of(&self, gate: &Arc<Permits>) -> Option<Permit> {
        let mut permit = self.0.lock();
        permit.take_if(|permit| permit.is_of(gate))
    }
}
