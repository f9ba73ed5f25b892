//! A transaction under its lease.

use std::{mem, sync::Arc};

use parking_lot::Mutex;
use wrt_contract::{Lease, Leases};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::SqlError;

/// The state of a transaction in which a statement has failed.
const FAILED: &str = "25P02";

/// A session in a transaction. One operation at a time has it; one that is not put back is gone, and
/// rolls back by itself.
pub(crate) struct Transaction<S>(Mutex<Slot<S>>);

enum Slot<S> {
    Here { session: S, has_failed: bool },
    InUse,
    Gone,
}

/// A session that an operation has.
pub(crate) struct Taken<S: Send + 'static> {
    transaction: Arc<Transaction<S>>,
    session: Option<S>,
    has_failed: bool,
    /// Where the lease ends, if the session is lost.
    leases: Leases<Transaction<S>>,
    lease: Lease,
}

impl<S: Send + 'static> Transaction<S> {
    pub(crate) fn of(session: S) -> Self {
        Self(Mutex::new(Slot::Here {
            session,
            has_failed: false,
        }))
    }

    /// The session, whatever state it is in.
    pub(crate) fn take(leases: &Leases<Self>, lease: &Lease) -> Result<Taken<S>, SqlError> {
        let over = |_: Fault| {
            let detail = format!(
                "the transaction is over: it was ended, an operation of it was lost or not waited for, it has \
                 taken longer than {:?}, or its replica began anew",
                lease.lasts()
            );
            Fault::not_executed(FaultKind::Unavailable, Hop::Gate, detail)
        };
        let transaction = leases.get(lease).map_err(over)?;
        let mut slot = transaction.0.lock();
        match mem::replace(&mut *slot, Slot::InUse) {
            Slot::Here {
                session,
                has_failed,
            } => {
                drop(slot);
                Ok(Taken {
                    transaction,
                    session: Some(session),
                    has_failed,
                    leases: leases.clone(),
                    lease: lease.clone(),
                })
            }
            Slot::InUse => Err(SqlError::misused(
                "the transaction runs another statement, whose rows are not all read",
            )),
            Slot::Gone => {
                *slot = Slot::Gone;
                let detail = "the transaction is over: an operation of it was lost";
                let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Actor, detail);
                Err(fault.into())
            }
        }
    }
}

impl<S: Send + 'static> Taken<S> {
    pub(crate) fn session(&mut self) -> &mut S {
        let session = self.session.as_mut();
        session.expect("it is there until it is put back")
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Refuses what a failed transaction does not do.
    pub(crate) fn unless_failed(self) -> Result<Self, SqlError> {
        match self.has_failed {
            false => Ok(self),
            true => {
                let refused = failed();
                self.put_back();
                Err(refused)
            }
        }
    }

    /// Puts the session back, as it is after an operation that ended so.
    pub(crate) fn after<T>(mut self, outcome: Result<T, SqlError>) -> Result<T, SqlError> {
        match &outcome {
            Ok(_) => self.put_back(),
            Err(SqlError::Database(_) | SqlError::Misused(_)) => {
                self.has_failed = true;
                self.put_back();
            }
            // Dropped, and with it all that was done.
            Err(_) => drop(self),
        }
        outcome
    }

    /// As after a way back to a savepoint.
    pub(crate) fn recovered(mut self) {
        self.has_failed = false;
        self.put_back();
    }

    fn put_back(mut self) {
        if let Some(session) = self.session.take() {
            *self.transaction.0.lock() = Slot::Here {
                session,
                has_failed: self.has_failed,
            };
        }
    }
}

/// What was not put back is lost: an operation that was not waited for, or has failed.
impl<S: Send + 'static> Drop for Taken<S> {
    fn drop(&mut self) {
        if self.session.is_some() {
            *self.transaction.0.lock() = Slot::Gone;
            self.leases.release(&self.lease);
        }
    }
}

/// What a transaction answers in which a statement has failed.
pub(crate) fn failed() -> SqlError {
    let message = "the transaction has failed: go back to a savepoint, or end it";
    SqlError::refused(FAILED, message)
}
