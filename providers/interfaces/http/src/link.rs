//! The local replica first, the others where that is safe.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::Stream;
use wrt_contract::{
    Body, BodyFrame, CallContext, LocalSlot, async_trait,
    generated::{may_fall_over, remote_or_local},
};
use wrt_protocol::Fault;

use crate::HttpHandler;

/// The replica in `local`, and `remote` while there is none.
pub(crate) struct HttpLink {
    local: LocalSlot<dyn HttpHandler>,
    remote: Arc<dyn HttpHandler>,
}

impl HttpLink {
    pub(crate) fn new(local: LocalSlot<dyn HttpHandler>, remote: Arc<dyn HttpHandler>) -> Self {
        Self { local, remote }
    }
}

#[async_trait]
impl HttpHandler for HttpLink {
    async fn handle(
        &self,
        context: &CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault> {
        let Some(local) = self.local.get() else {
            return self.remote.handle(context, request).await;
        };
        let (parts, body) = request.into_parts();
        let mut again = http::Request::new(());
        again.method_mut().clone_from(&parts.method);
        again.uri_mut().clone_from(&parts.uri);
        again.headers_mut().clone_from(&parts.headers);
        let (body, untouched) = lend(body);
        match local
            .handle(context, http::Request::from_parts(parts, body))
            .await
        {
            Err(fault) if may_fall_over(&fault) => match untouched.take() {
                Some(body) => {
                    let answer = self.remote.handle(context, again.map(|()| body)).await;
                    remote_or_local(answer, fault)
                }
                // The local replica has read of the body, so the request is not whole any more.
                None => Err(fault),
            },
            answer => answer,
        }
    }
}

/// A body that has been given away and can be had back until its first frame is asked for.
struct Untouched(Arc<Mutex<Option<Body>>>);

impl Untouched {
    fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn lend(body: Body) -> (Body, Untouched) {
    let length = body.length();
    let shared = Arc::new(Mutex::new(Some(body)));
    let lent = Lent {
        body: None,
        shared: Untouched(Arc::clone(&shared)),
    };
    (Body::new(length, lent), Untouched(shared))
}

struct Lent {
    body: Option<Body>,
    shared: Untouched,
}

impl Stream for Lent {
    type Item = Result<BodyFrame, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.body.is_none() {
            self.body = self.shared.take();
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_next(cx),
            // Taken back: whoever still reads here belongs to the attempt that was given up.
            None => Poll::Ready(None),
        }
    }
}
