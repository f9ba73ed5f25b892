//! The interface.

use wrt_contract::{Body, CallContext, interface};
use wrt_protocol::Fault;

use crate::{RequestHead, ResponseHead};

/// Whoever answers HTTP requests: a component on this node, or the way to one on another.
#[interface(name = "wasi:http/handler", error = Fault)]
pub trait HttpHandler {
    /// Answers one request. The context's deadline is for the head of the response; its body goes on
    /// for as long as it makes progress.
    ///
    /// The request's URI MUST name an authority, or a `host` header must: a guest asks for it.
    ///
    /// # Errors
    /// A fault where there is no response; a response body that ends with a fault is not whole.
    ///
    /// # Cancel safety
    /// Dropping the future, or the body of the response before its end, stops the work behind it.
    #[operation(idempotent = request.is_idempotent())]
    async fn handle(
        &self,
        context: &CallContext,
        request: RequestHead,
        #[body] body: Body,
    ) -> Result<(ResponseHead, Body), Fault>;
}

impl dyn HttpHandler {
    /// [`HttpHandler::handle`], for who has head and body in one.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn respond(
        &self,
        context: &CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault> {
        let (head, body) = RequestHead::split(request);
        let (head, body) = self.handle(context, head, body).await?;
        Ok(head.with_body(body))
    }
}
