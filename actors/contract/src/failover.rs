//! What a link makes of a fault of the replica on its node.

use wrt_protocol::{Execution, Fault, FaultKind, InterfaceName};

use crate::{CallContext, InterfaceError, LocalSlot};

/// The local replica's error, if it is a fault: named, as one that came over the bus is.
pub fn named<T: ?Sized, E: InterfaceError>(
    error: E,
    slot: &LocalSlot<T>,
    context: &CallContext,
    (interface, operation): (&InterfaceName, &str),
) -> E {
    match error.into_fault() {
        Err(own) => own,
        Ok(fault) => {
            let fault = match slot.actor() {
                Some(actor) => fault.on_link(format_args!("{actor} {interface}.{operation}")),
                None => fault.on_link(format_args!("{interface}.{operation}")),
            };
            let fault = match context.served_by() {
                Some(here) => fault.at_node(&here.node),
                None => fault,
            };
            fault.after(context.elapsed()).into()
        }
    }
}

/// The context for whoever carries calls to other replicas, and decides whether one is asked after
/// this error of the local replica; the error, if it is the operation's own.
///
/// # Errors
/// That.
pub fn failed_here<E: InterfaceError>(error: E, context: &CallContext) -> Result<CallContext, E> {
    match error.as_fault() {
        Some(fault) => Ok(context.having_failed_here(fault.clone())),
        None => Err(error),
    }
}

/// The fault with which [`failed_here`] has made `context`.
pub fn local_fault<E: InterfaceError>(context: &CallContext) -> E {
    let fault = context.failed_here();
    fault.expect("a link has put it there").clone().into()
}

/// What the other replica answered; or the local fault, when there was no other replica to ask:
/// "overloaded, try again in a second" helps its reader more than "nobody else is there".
pub fn remote_or_local<T, E: InterfaceError>(
    remote: Result<T, E>,
    context: &CallContext,
) -> Result<T, E> {
    let local = context.failed_here();
    match (remote, local) {
        (Err(error), Some(local)) if error.as_fault().is_some_and(|f| says_less(f, local)) => {
            Err(local.clone().into())
        }
        (answer, _) => answer,
    }
}

/// Not where the local replica has not run the operation and another one may have.
fn says_less(remote: &Fault, local: &Fault) -> bool {
    let may_have_run = |fault: &Fault| fault.execution() != Execution::NotExecuted;
    remote.kind() == FaultKind::Unavailable && (may_have_run(local) || !may_have_run(remote))
}
