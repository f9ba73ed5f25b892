//! Bodies between the lattice and a guest.

mod ahead;
mod written;

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures::{Stream, StreamExt};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};
use wrt_contract::{Body, BodyFrame};
use wrt_host::GuestRun;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

use self::written::Written;
use super::{
    body::{self, Fed},
    progress::Progress,
};

/// A request as the glue of a version of `wasi:http` takes it.
pub(super) type GuestRequest = http::Request<WasiBody>;

/// A response as that glue gives it.
pub(super) struct GuestResponse {
    pub(super) response: http::Response<WasiBody>,
    pub(super) taken: Option<Taken>,
}

impl GuestResponse {
    /// The same, with another body.
    pub(super) fn map_body(self, map: impl FnOnce(WasiBody) -> WasiBody) -> Self {
        Self {
            response: self.response.map(map),
            taken: self.taken,
        }
    }
}

/// Told when a body has been taken to its end: the guest, and whoever called it.
pub(super) type Taken = [oneshot::Sender<()>; 2];

const UNFINISHED: &str = "the guest has not finished its body";

/// How a guest ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Why, if it did not return.
    pub(super) fault: Option<Fault>,
    /// Whether a body of its that ends without an error is one that it has finished.
    pub(super) body_tells_its_end: bool,
}

/// How a guest ended, and what it had written by then: both sides of its exchange have it.
///
/// Not set before the guest has ended. Set before its store is dropped, so that whoever sees the end
/// of what the store held sees the reason too.
#[derive(Default)]
pub(super) struct Ending {
    ended: OnceLock<Ended>,
    written: Written,
}

impl Ending {
    pub(super) fn set(&self, ended: Ended) {
        let _set_once = self.ended.set(ended);
    }

    pub(super) fn get(&self) -> Option<&Ended> {
        self.ended.get()
    }

    /// Why the guest did not return, if it has ended and did not.
    pub(super) fn failure(&self) -> Option<Fault> {
        self.get().and_then(|ended| ended.fault.clone())
    }

    /// A body that the guest has begun, of which it is to be known whether it was
    /// [finished](Self::has_finished_body) before the guest failed.
    pub(super) fn watch(self: &Arc<Self>, body: WasiBody) -> WasiBody {
        Written::watch(self, body)
    }

    /// Whether the guest, which has failed, had finished its body. Its store must still be there.
    pub(super) fn has_finished_body(&self) -> bool {
        self.written.is_finished()
    }
}

/// The body of a request on its way into a guest, which has `in_hand` for as long as the body is there.
pub(super) fn into_guest(
    body: Body,
    fed: &Fed,
    progress: Arc<Progress>,
    in_hand: Arc<()>,
) -> WasiBody {
    // What is here moves as soon as it is asked for.
    let body = match body.is_whole() {
        true => body,
        false => Body::new(body.length(), body.inspect(move |_frame| progress.moved())),
    };
    body::into_guest(body, fed, move |fault| {
        let _in_hand = &in_hand;
        wasi_error(&fault)
    })
}

fn wasi_error(fault: &Fault) -> Error {
    match fault.kind() {
        FaultKind::DeadlineExceeded => Error::ConnectionReadTimeout,
        FaultKind::TooLarge => Error::HttpRequestBodySize(None),
        FaultKind::Cancelled | FaultKind::NodeLost | FaultKind::Disconnected => {
            Error::ConnectionTerminated
        }
        kind => Error::InternalError(Some(kind.to_string())),
    }
}

/// The rest of a guest that has sent the head of its response. Stopped when this is dropped.
pub(super) struct Rest(Option<GuestRun<()>>);

impl Rest {
    pub(super) fn new(guest: Option<GuestRun<()>>) -> Self {
        Self(guest)
    }

    /// Goes on by itself from now on, whoever reads the body.
    fn apart(&mut self) {
        self.0 = self.0.take().map(GuestRun::apart);
    }

    /// Goes on for as long as it need not wait. Where that is not to its end, it must be let go on
    /// [apart](Self::apart) or [by itself](Self::detach).
    fn go_on(&mut self, progress: &Progress, cx: &mut Context<'_>) {
        let Some(guest) = &mut self.0 else {
            return;
        };
        let polled = match guest.is_here() {
            true => progress.poll_in_passing(|cx| Pin::new(guest).poll(cx)),
            false => Pin::new(guest).poll(cx),
        };
        if polled.is_ready() {
            self.0 = None;
        }
    }

    /// Lets it run to its end, which its leash bounds: what a guest does after its response is whole.
    pub(super) fn detach(&mut self) {
        if let Some(guest) = self.0.take() {
            guest.detach();
        }
    }
}

/// The body of a response on its way out of a guest.
struct FromGuest {
    body: Body,
    ending: Arc<Ending>,
    progress: Arc<Progress>,
    rest: Rest,
    taken: Option<Taken>,
    /// Bytes still to come, where the guest has announced how many.
    left: Option<u64>,
    /// Whether the guest may go on without it.
    is_finished: bool,
    ended: bool,
}

/// What of it is here without a wait is taken at once, so that a small answer costs no task and no
/// stream; for the rest the guest goes on by itself.
pub(super) async fn from_guest(
    body: WasiBody,
    length: Option<u64>,
    taken: Option<Taken>,
    rest: Rest,
    ending: Arc<Ending>,
    progress: Arc<Progress>,
) -> Body {
    let body = body::from_guest(body, length, |error| {
        let detail = match error {
            // So the host says that a body of 0.2 was given up.
            Error::HttpProtocolError => UNFINISHED.to_owned(),
            other => other.to_string(),
        };
        Fault::new(FaultKind::Crashed, Execution::Executed, Hop::Stream, detail)
    });
    let frames = FromGuest {
        body,
        ending,
        progress,
        rest,
        taken,
        left: length,
        is_finished: false,
        ended: false,
    };
    ahead::taken(frames, length).await
}

impl FromGuest {
    /// The body is whole: the guest may go on without it.
    fn finish(&mut self) {
        self.is_finished = true;
        self.progress.set_answered();
        for taken in self.taken.take().into_iter().flatten() {
            let _nobody_asked = taken.send(());
        }
    }

    /// The failure of a guest whose body may look the same as one that it has finished.
    fn cut_off(&self) -> Option<Fault> {
        let ended = self.ending.get()?;
        match ended.body_tells_its_end || self.left == Some(0) {
            true => None,
            false => ended.fault.clone(),
        }
    }
}

/// Stops a guest whose body is not whole, and only that.
impl Drop for FromGuest {
    fn drop(&mut self) {
        if self.is_finished {
            self.rest.detach();
        }
    }
}

impl Stream for FromGuest {
    type Item = Result<BodyFrame, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut self.body).poll_next(cx);
        self.progress.set_awaited(next.is_pending());
        let Poll::Ready(next) = next else {
            return Poll::Pending;
        };
        self.progress.moved();
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                if let (BodyFrame::Data(bytes), Some(left)) = (&frame, self.left) {
                    let left = left.saturating_sub(bytes.len() as u64);
                    self.left = Some(left);
                    // Whoever knows the length does not ask for the end after the last byte.
                    if left == 0 {
                        self.finish();
                    }
                }
                Some(Ok(frame))
            }
            // All of it has come, and how it ends adds nothing.
            Some(Err(_)) if self.left == Some(0) => {
                self.ended = true;
                None
            }
            Some(Err(fault)) => {
                self.ended = true;
                // The guest's own failure is the cause of whatever its body shows.
                Some(Err(self.ending.failure().unwrap_or(fault)))
            }
            None => {
                self.ended = true;
                let cut_off = self.cut_off();
                if cut_off.is_none() {
                    self.finish();
                }
                cut_off.map(Err)
            }
        })
    }
}
