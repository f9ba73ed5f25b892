//! A component where a guest expects the world.

use std::{sync::Arc, time::Duration};

use wrt_contract::{Body, CallContext, async_trait};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{HttpClient, RequestOptions};
use crate::{HttpError, HttpHandler, RequestHead, ResponseHead, with_patience};

/// A handler as a client: whatever the host of a request, this handler answers it. So a component that
/// exports `wasi:http/handler` also serves `wasi:http`, and an app's requests stay inside.
pub struct HandlerAsClient(Arc<dyn HttpHandler>);

impl HandlerAsClient {
    /// Sends each request to `handler`.
    #[must_use]
    pub fn new(handler: Arc<dyn HttpHandler>) -> Self {
        Self(handler)
    }
}

#[async_trait]
impl HttpClient for HandlerAsClient {
    async fn send(
        &self,
        context: &CallContext,
        request: RequestHead,
        options: RequestOptions,
        body: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        let narrowed = options
            .first_byte_timeout
            .map(|time| context.narrowed(time));
        let within = narrowed.as_ref().unwrap_or(context);
        let body = body.map_err(of_the_caller);
        let answer = self.0.handle(within, request, body).await;
        let (head, body) = answer.map_err(|fault| {
            // The guest's own time was up, and not the call's.
            let is_impatience = fault.kind() == FaultKind::DeadlineExceeded
                && narrowed.is_some()
                && context.remaining() > Duration::ZERO;
            if is_impatience {
                HttpError::ConnectionReadTimeout
            } else {
                HttpError::Fault(fault)
            }
        })?;
        let body = body.map_err(HttpError::Fault);
        Ok(match options.between_bytes_timeout {
            Some(patience) => (head, with_patience(body, patience)),
            None => (head, body),
        })
    }
}

/// A request's body that broke off is a caller that has left, to whoever reads it.
pub(crate) fn of_the_caller(error: HttpError) -> Fault {
    match error {
        HttpError::Fault(fault) => fault,
        own => Fault::maybe_executed(FaultKind::Cancelled, Hop::Stream, own.to_string()),
    }
}
