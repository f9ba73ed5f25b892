//! Room for what comes as a stream and is collected: arguments at a callee, results at a caller.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, limits::COLLECTED_BYTES_MAX};

/// What a unit of room stands for.
const UNIT_BYTES: usize = 1024;

/// Room for [`COLLECTED_BYTES_MAX`], in units.
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(COLLECTED_BYTES_MAX / UNIT_BYTES)))
    }
}

impl Room {
    /// Room for so many bytes of a call that came so far, until it is dropped.
    pub(crate) fn take(
        &self,
        bytes: u64,
        hop: Hop,
        execution: Execution,
    ) -> Result<OwnedSemaphorePermit, Fault> {
        let units = bytes.div_ceil(UNIT_BYTES as u64);
        // What is too large for the type is too large for the node.
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0).try_acquire_many_owned(units);
        room.map_err(|_no_room| {
            let kind = FaultKind::Overloaded {
                retry_after_ms: 1000,
            };
            let detail = format!(
                "no room to collect {bytes} bytes: at most {COLLECTED_BYTES_MAX} at a time"
            );
            Fault::new(kind, execution, hop, detail)
        })
    }
}
