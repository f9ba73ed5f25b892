//! The requests that one instance has in hand.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use wasmtime::component::GuestTaskId;
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::native::host::{
    exchange::GuestExchange,
    progress::Progress,
    response::{Ended, Ending},
};

/// One of them, to its end: whoever asked for it hears of that once.
pub(super) struct Exchange {
    exchange: GuestExchange,
    ending: Arc<Ending>,
    ended: Mutex<Option<oneshot::Sender<()>>>,
    task: Mutex<Option<GuestTaskId>>,
}

impl Exchange {
    pub(super) fn new(
        exchange: GuestExchange,
        ending: Arc<Ending>,
        ended: oneshot::Sender<()>,
    ) -> Self {
        Self {
            exchange,
            ending,
            ended: Mutex::new(Some(ended)),
            task: Mutex::default(),
        }
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        self.exchange.progress()
    }

    /// It has begun, as this task of the guest.
    pub(super) fn has_task(&self, task: GuestTaskId) {
        *self.task.lock() = Some(task);
    }

    /// The guest has answered, and its response was taken.
    pub(super) fn end_well(&self) {
        self.end(None, true);
    }

    /// The guest has failed it. The instance must still be there.
    pub(super) fn fail(&self, error: &wasmtime::Error) {
        self.fail_with(self.exchange.fault(error));
    }

    fn fail_with(&self, fault: Fault) {
        self.end(Some(fault), self.ending.has_finished_body());
    }

    fn end(&self, fault: Option<Fault>, body_tells_its_end: bool) {
        let Some(ended) = self.ended.lock().take() else {
            return;
        };
        self.ending.set(Ended {
            fault,
            body_tells_its_end,
        });
        let _nobody_waits = ended.send(());
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct AtWork(Mutex<Vec<Arc<Exchange>>>);

impl AtWork {
    pub(super) fn begin(&self, exchange: Exchange) -> Arc<Exchange> {
        let exchange = Arc::new(exchange);
        self.0.lock().push(Arc::clone(&exchange));
        exchange
    }

    pub(super) fn ended(&self, exchange: &Arc<Exchange>) {
        self.0.lock().retain(|it| !Arc::ptr_eq(it, exchange));
    }

    /// The instance has failed, in the turn of `culprit`: that is its own failure, and all others are
    /// told whose fate they share.
    pub(super) fn fail(&self, culprit: Option<GuestTaskId>, error: &wasmtime::Error) {
        let mut failed = std::mem::take(&mut *self.0.lock());
        let is_the_culprit = |it: &Arc<Exchange>| *it.task.lock() == culprit;
        if failed.len() == 1 {
            failed.iter().for_each(|it| it.fail(error));
            return;
        }
        failed.retain(|it| {
            let is_it = culprit.is_some() && is_the_culprit(it);
            if is_it {
                it.fail(error);
            }
            !is_it
        });
        for other in failed {
            let detail = format!("the instance failed in another request that it served: {error}");
            let kind = FaultKind::Unavailable;
            other.fail_with(Fault::maybe_executed(kind, Hop::Actor, detail));
        }
    }
}
