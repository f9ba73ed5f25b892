//! The attempts to start each replica: what was wanted, what was reached, and what went wrong.

use std::{collections::BTreeMap, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::{Mutex, MutexGuard};
use wrt_deployment::Digest;
use wrt_protocol::ActorAddress;
use wrt_supervision::{Running, Start, StartError};

use crate::catalog::chain;

/// The attempts by address. It has the addresses that this node was given, which are bounded.
#[derive(Default)]
pub(crate) struct StartAttempts(Mutex<BTreeMap<ActorAddress, StartAttempt>>);

/// Where the attempts to start one replica stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartAttempt {
    /// What the replica shall be.
    pub(crate) wanted: Option<Digest>,
    /// What it is.
    pub(crate) reached: Option<Digest>,
    /// Why the last attempt failed; none after one that succeeded.
    pub(crate) error: Option<String>,
    /// Whether another attempt is not expected to help.
    pub(crate) is_refused: bool,
}

impl StartAttempts {
    pub(crate) fn want(&self, actor: &ActorAddress, wanted: Digest) {
        let mut attempts = self.attempts();
        let attempt = attempts.entry(actor.clone()).or_default();
        if attempt.wanted != Some(wanted) {
            attempt.wanted = Some(wanted);
            // What went wrong with another one says nothing of this one.
            attempt.error = None;
            attempt.is_refused = false;
        }
    }

    pub(crate) fn forget(&self, actor: &ActorAddress) {
        self.attempts().remove(actor);
    }

    pub(crate) fn of(&self, actor: &ActorAddress) -> StartAttempt {
        self.attempts().get(actor).cloned().unwrap_or_default()
    }

    fn ended(
        &self,
        actor: &ActorAddress,
        specification: Digest,
        result: &Result<Running, StartError>,
    ) {
        let mut attempts = self.attempts();
        // Stopped meanwhile.
        let Some(attempt) = attempts.get_mut(actor) else {
            return;
        };
        if result.is_ok() {
            attempt.reached = Some(specification);
        }
        if attempt.wanted == Some(specification) {
            attempt.error = result.as_ref().err().map(reason);
            attempt.is_refused = result.as_ref().is_err_and(does_not_mend);
        }
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<ActorAddress, StartAttempt>> {
        self.0.lock()
    }
}

/// What went wrong, without "did not start" in front of it, which everybody knows.
fn reason(error: &StartError) -> String {
    match error {
        StartError::Transient(source) | StartError::Refused(source) => chain(source.as_ref()),
    }
}

/// Whether another attempt is not expected to help. An address that another provider of the node has
/// is tried for soon all the same: that one may go.
fn does_not_mend(error: &StartError) -> bool {
    match error {
        StartError::Transient(source) => source.is::<AddressTaken>(),
        StartError::Refused(_) => true,
    }
}

/// Another provider of this node listens there.
#[derive(Debug, thiserror::Error)]
#[error("the address {address} is taken by {holder}, which runs on this node as well")]
pub(crate) struct AddressTaken {
    pub(crate) address: String,
    pub(crate) holder: ActorAddress,
}

/// A start whose attempts are kept.
pub(crate) struct Recorded<S> {
    pub(crate) start: S,
    pub(crate) actor: ActorAddress,
    /// Stands for everything that the replica is made of.
    pub(crate) specification: Digest,
    pub(crate) attempts: Arc<StartAttempts>,
}

impl<S: Start> Start for Recorded<S> {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        async {
            let result = self.start.start().await;
            self.attempts
                .ended(&self.actor, self.specification, &result);
            result
        }
        .boxed()
    }
}
