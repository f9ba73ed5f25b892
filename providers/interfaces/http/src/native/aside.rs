//! One guest's call of another.

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use wrt_protocol::{Fault, FaultKind, Hop};

/// Runs `work` on a task of its own, which is stopped when the future is dropped.
///
/// Whatever a guest of 0.3 calls is polled inside its store's event loop, and wasmtime refuses (by a
/// panic) to enter a second one there. So a call that may end in another guest on this node is not
/// made on the task of the first one.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Fault> {
    let task = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
    task.await.map_err(|error| {
        let detail = match error.is_panic() {
            true => "the call panicked",
            false => "the runtime stops",
        };
        Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, detail)
    })
}
