//! How long a request counts as running.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::Stream;
use wrt_contract::{Body, BodyFrame, Permit};
use wrt_protocol::Fault;

/// The permit of a request, among the request's extensions. Work that outlives the head of its
/// response takes it along; otherwise it stays with the response's body.
///
/// Without it a component's concurrency limit would count heads of responses, while the instances
/// behind their bodies still run.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Mutex<Option<Permit>>>);

impl Admission {
    pub(crate) fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// The permit, if nobody has taken it yet. Dropping it lets the next request in.
    #[must_use]
    pub fn take(&self) -> Option<Permit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// `body`, which gives `permit` back when it has ended or is dropped.
pub(crate) fn hold(permit: Permit, body: Body) -> Body {
    let length = body.length();
    Body::new(
        length,
        Holding {
            body,
            permit: Some(permit),
        },
    )
}

struct Holding {
    body: Body,
    permit: Option<Permit>,
}

impl Stream for Holding {
    type Item = Result<BodyFrame, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.permit = None;
        }
        next
    }
}
