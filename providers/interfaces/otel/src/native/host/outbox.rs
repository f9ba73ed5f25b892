//! On their way: what guests have said, when nobody waits for it any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Semaphore};
use wrt_contract::CallContext;

use crate::{Log, Otel, OtelError, Span, limits::BATCHES_ON_THEIR_WAY_MAX};

/// How long a batch may take to its provider.
pub(super) const BUDGET: Duration = Duration::from_secs(5);

static ROOM: Semaphore = Semaphore::const_new(BATCHES_ON_THEIR_WAY_MAX);
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many records of guests this process has dropped: over a limit, or because their provider was away or
/// full.
#[must_use]
pub fn lost_records() -> u64 {
    LOST.load(Relaxed)
}

/// Counts records that are dropped; the log says so when there are twice as many as it has said.
pub(super) fn lose(records: usize) {
    let before = LOST.fetch_add(records as u64, Relaxed);
    let after = before + records as u64;
    if after.checked_ilog2() != before.checked_ilog2() {
        tracing::warn!(lost = after, "telemetry of components is being lost");
    }
}

/// Sends records to their provider. Nobody waits for it.
pub(super) fn send(otel: &Arc<dyn Otel>, context: &CallContext, spans: Vec<Span>, logs: Vec<Log>) {
    let records = spans.len() + logs.len();
    // An instance may be dropped where no runtime is: while its node stops.
    let (Ok(runtime), Ok(room)) = (Handle::try_current(), ROOM.try_acquire()) else {
        return lose(records);
    };
    let (otel, context) = (Arc::clone(otel), context.narrowed(BUDGET));
    runtime.spawn(async move {
        let _room = room;
        if !spans.is_empty() {
            let given = spans.len();
            count(given, otel.spans(&context, spans).await);
        }
        if !logs.is_empty() {
            let given = logs.len();
            count(given, otel.logs(&context, logs).await);
        }
    });
}

fn count(given: usize, taken: Result<(), OtelError>) {
    match taken {
        Ok(()) => {}
        Err(OtelError::Full { dropped, .. }) => {
            lose(usize::try_from(dropped).map_or(given, |dropped| dropped.min(given)));
        }
        Err(OtelError::Fault(fault)) => {
            tracing::debug!(%fault, given, "telemetry of a component did not get to its provider");
            lose(given);
        }
    }
}
