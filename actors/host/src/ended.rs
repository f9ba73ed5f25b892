//! How an instance ended badly, as a fault.

use wasmtime::PoolConcurrencyLimitError;
use wasmtime_wasi::I32Exit;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

/// When another call has a chance, after the pool of instances was empty.
const RETRY_AFTER_MS: u32 = 1000;

/// The error with which an instance is stopped when its leash is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the instance was stopped: its time was up")]
pub struct WallTimeExceeded;

/// The fault for an error of instantiating or calling. Says *not executed* only of an instance for
/// which there was no room, and leaves the trap's backtrace to the log.
///
/// An error that has a [`Fault`] among its causes is that fault: the glue of an interface whose WIT
/// knows no error ends the invocation so. It becomes *maybe executed*, whatever it was for the
/// guest's own call: nobody undoes what the guest did before.
#[must_use]
pub fn guest_fault(error: &wasmtime::Error) -> Fault {
    let detail = error.root_cause().to_string();
    if error.is::<WallTimeExceeded>() {
        return Fault::maybe_executed(FaultKind::DeadlineExceeded, Hop::Actor, detail);
    }
    if let Some(fault) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Fault>())
    {
        return fault.clone().with_execution(Execution::MaybeExecuted);
    }
    if let Some(status) = guest_exit(error) {
        let detail = format!("the guest has exited with status {status}");
        return Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, detail);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let kind = FaultKind::Overloaded {
            retry_after_ms: RETRY_AFTER_MS,
        };
        return Fault::new(kind, Execution::NotExecuted, Hop::Gate, detail);
    }
    Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, detail)
}

/// The status with which the guest has ended its program, if that is what ended it. 0 is its own wish
/// and no failure, although nothing of it is left to answer a call.
#[must_use]
pub fn guest_exit(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref().map(|I32Exit(status)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_why_an_instance_ended() {
        let stopped = wasmtime::Error::new(WallTimeExceeded).context("wasm backtrace");
        assert_eq!(guest_fault(&stopped).kind(), FaultKind::DeadlineExceeded);
        let trapped = wasmtime::Error::new(wasmtime::Trap::UnreachableCodeReached);
        let fault = guest_fault(&trapped.context("wasm backtrace"));
        assert_eq!(fault.kind(), FaultKind::Crashed);
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        assert!(fault.detail().contains("unreachable"), "{fault}");
    }

    #[test]
    fn an_exit_is_told_from_a_trap() {
        let exit = wasmtime::Error::new(I32Exit(0)).context("wasm backtrace");
        assert_eq!(guest_exit(&exit), Some(0));
        let detail = guest_fault(&exit).detail().to_owned();
        assert_eq!(detail, "the guest has exited with status 0");
        let trap = wasmtime::Error::new(wasmtime::Trap::UnreachableCodeReached);
        assert_eq!(guest_exit(&trap), None);
    }

    #[test]
    fn a_fault_among_the_causes_is_the_fault() {
        #[derive(Debug, thiserror::Error)]
        #[error("the store cannot be read")]
        struct StoreError(#[source] Fault);

        let inner = || Fault::not_executed(FaultKind::Unavailable, Hop::Route, "nobody is there");
        let itself = wasmtime::Error::new(inner());
        let below = wasmtime::Error::new(StoreError(inner()));
        for error in [itself, below] {
            let fault = guest_fault(&error.context("wasm backtrace"));
            assert_eq!(fault.kind(), FaultKind::Unavailable);
            assert_eq!(fault.detail(), "nobody is there");
            assert_eq!(
                fault.execution(),
                Execution::MaybeExecuted,
                "the guest has run"
            );
        }
    }
}
