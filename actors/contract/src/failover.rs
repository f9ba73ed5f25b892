//! When a link may turn from the local replica to another node's.

use wrt_protocol::{Execution, Fault, FaultKind};

use crate::InterfaceError;

/// Whether another replica may be asked after this one's error: it has *not executed*, and the
/// reason lies with the replica and not with the call.
pub fn may_fall_over(error: &impl InterfaceError) -> bool {
    error.as_fault().is_some_and(|fault| {
        fault.execution() == Execution::NotExecuted && !lies_with_the_call(fault.kind())
    })
}

/// What the other replica answered; or the local error, when there was no other replica to ask:
/// "overloaded, try again in a second" helps its reader more than "nobody else is there".
pub fn remote_or_local<T, E: InterfaceError>(remote: Result<T, E>, local: E) -> Result<T, E> {
    match remote {
        Err(error) if error.as_fault().is_some_and(is_nobody_there) => Err(local),
        answer => answer,
    }
}

/// Only where nothing has run: the local fault says *not executed*, which must stay true.
fn is_nobody_there(fault: &Fault) -> bool {
    fault.kind() == FaultKind::Unavailable && fault.execution() == Execution::NotExecuted
}

fn lies_with_the_call(kind: FaultKind) -> bool {
    match kind {
        FaultKind::DeadlineExceeded
        | FaultKind::Malformed
        | FaultKind::TooLarge
        | FaultKind::Denied
        | FaultKind::UnknownOperation => true,
        FaultKind::Cancelled
        | FaultKind::Overloaded { .. }
        | FaultKind::Unavailable
        | FaultKind::NodeLost
        | FaultKind::Disconnected
        | FaultKind::Draining
        | FaultKind::StaleEpoch
        | FaultKind::VersionMismatch
        | FaultKind::Crashed => false,
    }
}
