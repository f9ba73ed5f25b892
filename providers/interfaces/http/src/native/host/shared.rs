//! Several requests at once in one instance of 0.3, where the manifest says so.
//!
//! Memory and time are the instance's: who shares one with a request that traps, or that computes
//! beyond its time, is cut off with it. A request that ends otherwise than it should, by an overrun or
//! with a caller that goes away, retires its instance: that takes no other request, and is gone when the
//! last of those that it has is done. Until then the guest may go on with what nobody waits for, since
//! one task of a guest cannot be stopped without the others. Nor can it be seen that a guest is stuck
//! while others are at work in it: it is given up when its time is over.

mod at_work;
mod job;
mod open;
mod stopped_body;
mod worker;

use std::sync::Arc;

use parking_lot::Mutex;
use wrt_contract::{Body, CallContext, Permit};
use wrt_host::{Instances, SharedInstances, Sharing, WallTimeExceeded, guest_fault};
use wrt_protocol::Fault;

use self::{
    job::Job,
    open::{Open, Taken},
};
use super::{Export, exchange::GuestExchange};

/// A component's instances, each of which serves several requests at once.
pub(super) struct Shared {
    instances: Arc<dyn Instances>,
    export: Arc<Export>,
    sharing: Sharing,
    open: Mutex<Open>,
}

impl Shared {
    /// None where each request has an instance of its own.
    pub(super) fn new(instances: &Arc<dyn Instances>, export: &Arc<Export>) -> Option<Arc<Self>> {
        let sharing = instances.shared()?.sharing();
        Some(Arc::new(Self {
            instances: Arc::clone(instances),
            export: Arc::clone(export),
            sharing,
            open: Mutex::new(Open::new(sharing)),
        }))
    }

    pub(super) async fn handle(
        self: &Arc<Self>,
        context: &CallContext,
        request: http::Request<Body>,
        permit: Option<Permit>,
    ) -> Result<http::Response<Body>, Fault> {
        let allowance = self.lender().allowance(context);
        let exchange = GuestExchange::new(&self.instances, &allowance.leash, &request);
        let leash = Arc::clone(&allowance.leash);
        let answered = exchange.run(request, |exchange, asked| {
            let (job, guest) = Job::new(self, exchange, asked, allowance, permit);
            self.give(job);
            guest
        });
        // While a guest computes, nobody else gets a word in its instance; not even to be given up.
        tokio::select! {
            biased;
            answer = answered => answer,
            () = leash.over() => Err(guest_fault(&WallTimeExceeded.into())),
        }
    }

    fn lender(&self) -> &dyn SharedInstances {
        self.instances.shared().expect("it was there at first")
    }

    /// Gives a job to an instance that has room for it, or to a new one.
    fn give(self: &Arc<Self>, job: Box<Job>) {
        let taken = self.open.lock().take(job);
        let (id, jobs, allowance) = match taken {
            Taken::ByOneThatIsOpen => return,
            Taken::ByNobodyYet { id, jobs, first } => (id, jobs, first),
        };
        let prepared = self.lender().prepare_shared(&allowance);
        let worker = worker::Worker {
            id,
            export: Arc::clone(&self.export),
            sharing: self.sharing,
            shared: Arc::downgrade(self),
            first: allowance.leash,
        };
        let work = prepared.run(|lent| worker.work(lent, jobs));
        // It outlives the request that it is begun for.
        tracing::Span::none().in_scope(|| work.detach());
    }
}
