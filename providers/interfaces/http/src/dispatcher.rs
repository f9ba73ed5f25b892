//! The way in from the bus.

use std::sync::Arc;

use tokio::time::Instant;
use wrt_contract::{
    Answer, CallContext, Dispatch, DispatchRequest, Interface, Operation, Trailers,
    generated::{BoxFuture, from_wire, into_wire, unknown_operation},
};
use wrt_protocol::{Fault, InterfaceName};

use crate::{
    HttpHandler, HttpInterface,
    gather::{Gathered, gather},
    head::{RequestHead, ResponseHead},
    interface::HANDLE,
    limits::INLINE_BODY_PATIENCE,
};

/// Decodes requests for `inner`, and encodes what it answers.
pub(crate) struct HttpDispatcher {
    inner: Arc<dyn HttpHandler>,
}

impl HttpDispatcher {
    pub(crate) fn new(inner: Arc<dyn HttpHandler>) -> Self {
        Self { inner }
    }

    async fn handle(
        &self,
        context: &CallContext,
        request: DispatchRequest,
    ) -> Result<Answer, Fault> {
        if request.operation != HANDLE {
            return Err(unknown_operation(&HttpInterface::NAME, &request.operation));
        }
        let head = RequestHead::decode(&request.arguments)?;
        let request = head.into_request(request.bulk, request.body.map(from_wire))?;
        let (parts, body) = self.inner.handle(context, request).await?.into_parts();
        match gather(body, Instant::now() + INLINE_BODY_PATIENCE).await {
            Gathered::Whole(bulk, trailers) => {
                let answer = ResponseHead::of(&parts, trailers).encode()?;
                Ok(Answer { bulk, ..answer })
            }
            Gathered::Streamed(body) => {
                let answer = ResponseHead::of(&parts, Trailers::new()).encode()?;
                Ok(Answer {
                    body: Some(into_wire(body)),
                    ..answer
                })
            }
        }
    }
}

impl Dispatch for HttpDispatcher {
    fn interface(&self) -> InterfaceName {
        HttpInterface::NAME
    }

    fn operations(&self) -> &'static [Operation] {
        HttpInterface::OPERATIONS
    }

    fn dispatch<'a>(
        &'a self,
        context: &'a CallContext,
        request: DispatchRequest,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(self.handle(context, request))
    }
}
