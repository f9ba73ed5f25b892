//! One request and its response, with the guest between them.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt};
use http::{Method, StatusCode, uri::PathAndQuery};
use tokio::sync::oneshot::{self, error::TryRecvError};
use wasmtime_wasi_http::Error;
use wrt_contract::{Body, Permit};
use wrt_host::{
    GuestRun, Instances, Leash, Lent, Prepared, WallTimeExceeded, guest_exit, guest_fault,
};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{
    Export,
    body::length,
    error_code::error_response,
    instance::fed,
    progress::Progress,
    response::{Ended, Ending, GuestResponse, Rest, from_guest, into_guest},
};

/// A guest's response, or the error that it gave instead.
pub(super) type Answer = Result<GuestResponse, Error>;

/// Where a guest's answer goes.
pub(super) struct HeadSender {
    caller: oneshot::Sender<Answer>,
    ending: Arc<Ending>,
}

impl HeadSender {
    /// Nobody waits when the caller has gone, and then the guest is about to be stopped.
    pub(super) fn send(self, answer: Answer) {
        let _caller_gone = self.caller.send(answer);
    }

    /// The same, where the guest may leave the body of its response unfinished.
    pub(super) fn send_watched(self, answer: Answer) {
        let answer = answer.map(|it| it.map_body(|body| self.ending.watch(body)));
        self.send(answer);
    }
}

/// What a guest is asked, and where its answer goes.
pub(super) struct Asked {
    pub(super) request: http::Request<Body>,
    pub(super) head: HeadSender,
    pub(super) ending: Arc<Ending>,
}

const NO_RESPONSE: &str = "the guest ended without a response";

/// One request in the hands of one guest.
pub(super) struct GuestExchange {
    instances: Arc<dyn Instances>,
    method: Method,
    path: Option<PathAndQuery>,
    progress: Arc<Progress>,
}

impl GuestExchange {
    pub(super) fn new(
        instances: &Arc<dyn Instances>,
        leash: &Arc<Leash>,
        request: &http::Request<Body>,
    ) -> Self {
        Self {
            instances: Arc::clone(instances),
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned(),
            progress: Arc::new(Progress::new(Arc::clone(leash))),
        }
    }

    /// When it is given up.
    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Runs the guest that `start` starts until it has answered, and leaves the rest of it to the
    /// response's body.
    pub(super) async fn run(
        self,
        request: http::Request<Body>,
        start: impl FnOnce(Self, Asked) -> GuestRun<()>,
    ) -> Result<http::Response<Body>, Fault> {
        let (instances, method) = (Arc::clone(&self.instances), self.method.clone());
        let progress = Arc::clone(&self.progress);
        let ending = Arc::<Ending>::default();
        let (caller, mut answer) = oneshot::channel();
        let asked = Asked {
            request,
            head: HeadSender {
                caller,
                ending: Arc::clone(&ending),
            },
            ending: Arc::clone(&ending),
        };
        let mut guest = start(self, asked);

        let (answer, ended) =
            poll_fn(|cx| poll_answer(&mut guest, &mut answer, &progress, cx)).await;
        let rest = ended.is_none().then_some(guest);
        let Some(answer) = answer else {
            // The guest has given up its way to answer. It is worth hearing how it ends.
            match (ended, rest) {
                (Some(ended), _) => ended?,
                (None, Some(guest)) => guest.await?,
                (None, None) => {}
            }
            return Err(ending.failure().unwrap_or_else(|| {
                Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, NO_RESPONSE)
            }));
        };
        progress.start_streaming();
        let mut rest = Rest::new(rest);
        match answer {
            Ok(response) => Ok(respond(response, &method, rest, ending, progress).await),
            Err(error) => {
                let actor = instances.actor();
                tracing::warn!(%actor, %method, %error, "the guest answered with an error code");
                progress.set_answered();
                rest.detach();
                Ok(error_response(&error))
            }
        }
    }

    /// A guest in an instance of its own.
    pub(super) fn start(
        self,
        export: Arc<Export>,
        prepared: Prepared,
        asked: Asked,
        permit: Option<Permit>,
    ) -> GuestRun<()> {
        prepared.run(|lent| self.guest(export, lent, asked, permit))
    }

    /// The guest from its instantiation to its end. Ends at the end of its leash at the latest.
    async fn guest(self, export: Arc<Export>, lent: Lent, asked: Asked, permit: Option<Permit>) {
        let Asked {
            request,
            head,
            ending,
        } = asked;
        let (parts, body) = request.into_parts();
        // The body has a part of it: to see whether the guest has let go of the body.
        let in_hand = Arc::new(());
        // Held until the instance is gone or given back: it counts for as long as it is this call's.
        let _permit = permit;
        let mut lent = lent;
        let body = into_guest(
            body,
            &fed(lent.data_mut()),
            Arc::clone(&self.progress),
            Arc::clone(&in_hand),
        );
        let request = http::Request::from_parts(parts, body);
        let result = {
            let call = pin!(export.call(&mut lent, request, head, &self.progress));
            tokio::select! {
                biased;
                result = call => result,
                () = self.progress.over() => Err(WallTimeExceeded.into()),
            }
        };
        let serves_on = result.as_ref().is_ok_and(|serves_on| *serves_on);
        let body_tells_its_end =
            export.end_bodies(&mut lent, result.is_ok()) || ending.has_finished_body();
        ending.set(Ended {
            fault: result.err().map(|error| self.fault(&error)),
            body_tells_its_end,
        });
        if serves_on && Arc::strong_count(&in_hand) == 1 {
            lent.keep();
        }
    }

    /// What a guest's failure is to its caller; the log gets the whole chain.
    pub(super) fn fault(&self, error: &wasmtime::Error) -> Fault {
        let Self {
            instances,
            method,
            path,
            ..
        } = self;
        let actor = instances.actor();
        let path = path.as_ref().map_or("", PathAndQuery::path);
        let fault = guest_fault(error);
        if guest_exit(error) == Some(0) {
            tracing::debug!(%actor, %method, path, "the guest has exited");
        } else {
            match fault.kind() {
                FaultKind::Crashed => {
                    tracing::error!(%actor, %method, path, ?error, "the guest failed");
                }
                // Behind its answer it has nobody else who would tell it.
                FaultKind::DeadlineExceeded if self.progress.is_answered() => {
                    tracing::warn!(%actor, %method, path, %fault, "the guest did not get to its end");
                }
                FaultKind::DeadlineExceeded => {
                    tracing::debug!(%actor, %method, path, %fault, "the guest did not get to its end");
                }
                // There was no room for it, or somebody it asked has refused: whoever called is told, and
                // tells it.
                _ => tracing::debug!(%actor, %method, path, %fault, "the guest was refused"),
            }
        }
        fault
    }
}

/// What a guest has answered, if it has; and how it has ended, once it has.
type Polled = (Option<Answer>, Option<Result<(), Fault>>);

/// Polls `guest` until it has answered, or cannot any more.
///
/// It goes first: what it has answered meanwhile is here then, and its task need not be woken for it.
fn poll_answer(
    guest: &mut GuestRun<()>,
    answer: &mut oneshot::Receiver<Answer>,
    progress: &Progress,
    cx: &mut Context<'_>,
) -> Poll<Polled> {
    let mut polled = Poll::Pending;
    if guest.is_here() {
        polled = progress.poll_in_passing(|cx| guest.poll_unpin(cx));
        if polled.is_pending() {
            match answer.try_recv() {
                Ok(answer) => return Poll::Ready((Some(answer), None)),
                Err(TryRecvError::Closed) => return Poll::Ready((None, None)),
                Err(TryRecvError::Empty) => {}
            }
        }
    }
    if polled.is_pending() {
        polled = guest.poll_unpin(cx);
    }
    match polled {
        Poll::Ready(ended) => Poll::Ready((answer.try_recv().ok(), Some(ended))),
        Poll::Pending => answer.poll_unpin(cx).map(|answer| (answer.ok(), None)),
    }
}

async fn respond(
    GuestResponse { response, taken }: GuestResponse,
    method: &Method,
    mut rest: Rest,
    ending: Arc<Ending>,
    progress: Arc<Progress>,
) -> http::Response<Body> {
    let (parts, body) = response.into_parts();
    let bodiless = method == Method::HEAD || is_bodiless(parts.status);
    let length = length(&parts.headers, &body).filter(|_| !bodiless);
    if !bodiless {
        let body = from_guest(body, length, taken, rest, ending, progress).await;
        return http::Response::from_parts(parts, body);
    }
    // What the guest writes all the same goes nowhere, but it must not wait for a reader for ever.
    rest.detach();
    let mut unwanted = from_guest(body, None, taken, rest, ending, progress).await;
    tokio::spawn(async move { while unwanted.next().await.is_some() {} });
    http::Response::from_parts(parts, Body::whole(bytes::Bytes::new()))
}

fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
