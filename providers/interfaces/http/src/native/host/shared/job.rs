//! One request, from where it is given to an instance to its end.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::bindings::Service;
use wrt_contract::{Body, Permit};
use wrt_host::{Allowance, GuestRun, InstanceState, WallTimeExceeded};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{
    Shared,
    at_work::{AtWork, Exchange},
    stopped_body::stopped_by,
};
use crate::native::host::{
    body::Fed,
    exchange::{Answer, Asked, GuestExchange, HeadSender},
    p3::answer_beside_others,
    response::into_guest,
};

/// One instance of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstanceId(pub(super) u64);

/// A request for an instance that it shares with others.
pub(in super::super) struct Job {
    exchange: Exchange,
    request: http::Request<Body>,
    head: HeadSender,
    allowance: Allowance,
    /// Held until the request is answered, or given up.
    permit: Option<Permit>,
    /// Whoever wants the answer goes away.
    stop: CancellationToken,
    seat: Seat,
}

/// Its place in an instance.
struct Seat {
    shared: Arc<Shared>,
    id: Option<InstanceId>,
}

impl Seat {
    fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared.open.lock().left(id);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Job {
    /// A job, and the guest to whoever waits for it.
    pub(super) fn new(
        shared: &Arc<Shared>,
        exchange: GuestExchange,
        asked: Asked,
        allowance: Allowance,
        permit: Option<Permit>,
    ) -> (Box<Self>, GuestRun<()>) {
        let Asked {
            request,
            head,
            ending,
        } = asked;
        let (ended, hears) = oneshot::channel();
        let stop = CancellationToken::new();
        let guest = GuestRun::elsewhere(hears, stop.clone().drop_guard());
        let job = Self {
            exchange: Exchange::new(exchange, ending, ended),
            request,
            head,
            allowance,
            permit,
            stop,
            seat: Seat {
                shared: Arc::clone(shared),
                id: None,
            },
        };
        (Box::new(job), guest)
    }

    pub(super) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    pub(super) fn sit_in(&mut self, id: Option<InstanceId>) {
        self.seat.id = id;
    }

    /// For an instance that takes no more, or cannot start: another one has it.
    pub(super) fn move_on(mut self: Box<Self>) {
        self.seat.leave();
        let shared = Arc::clone(&self.seat.shared);
        shared.give(self);
    }

    /// Its instance has not started.
    pub(super) fn fail(self, error: &wasmtime::Error) {
        self.exchange.fail(error);
    }

    /// Calls the guest, until its response has been taken; whether all went well.
    pub(super) async fn run(
        self: Box<Self>,
        service: &Service,
        accessor: &Accessor<InstanceState>,
        at_work: &AtWork,
    ) -> bool {
        let Self {
            exchange,
            request,
            head,
            allowance,
            permit: _permit,
            stop,
            seat,
        } = *self;
        let exchange = at_work.begin(exchange);
        let progress = exchange.progress();
        let (parts, body) = request.into_parts();
        // Nobody asks here what is on its way, nor whether the guest has let go of it.
        let body = into_guest(body, &Fed::default(), Arc::clone(progress), Arc::default());
        let request = http::Request::from_parts(parts, body);
        let broken = CancellationToken::new();
        let send = |answer: Answer| {
            let (broken, progress) = (broken.clone(), Arc::clone(progress));
            let stopped = |body| stopped_by(body, broken, progress);
            head.send_watched(answer.map(|it| it.map_body(stopped)));
        };
        let begin = |state: &mut InstanceState, task| {
            state.begin(task, allowance.context, allowance.leash);
            seat.shared.lender().ready(state);
            exchange.has_task(task);
        };
        let result = tokio::select! {
            biased;
            result = answer_beside_others(service, accessor, request, begin, send) => result,
            () = progress.over() => Err(WallTimeExceeded.into()),
            () = stop.cancelled() => Err(wasmtime::Error::new(gone())),
        };
        let is_well = result.is_ok();
        match result {
            Ok(()) => exchange.end_well(),
            Err(error) => exchange.fail(&error),
        }
        broken.cancel();
        at_work.ended(&exchange);
        is_well
    }
}

fn gone() -> Fault {
    Fault::maybe_executed(FaultKind::Cancelled, Hop::Actor, "the caller has gone")
}
