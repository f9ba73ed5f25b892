//! The interface's trait.

use wrt_contract::{Body, CallContext, async_trait};
use wrt_protocol::Fault;

/// Whoever answers HTTP requests: a component on this node, or the way to one on another.
#[async_trait]
pub trait HttpHandler: Send + Sync + 'static {
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
    async fn handle(
        &self,
        context: &CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault>;
}
