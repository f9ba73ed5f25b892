//! The way to a handler on another node.

use std::sync::Arc;

use http::Method;
use tokio::time::Instant;
use wrt_contract::{
    Body, CallContext, Caller, Interface, Invocation, Trailers, async_trait, generated::Bytes,
};
use wrt_protocol::{ActorAddress, Fault};

use crate::{
    HttpHandler, HttpInterface,
    gather::{Gathered, gather},
    head::{RequestHead, ResponseHead},
    interface::HANDLE,
    limits::{INLINE_BODY_BYTES_MAX, INLINE_BODY_PATIENCE},
};

/// Sends requests to `target`, wherever on the lattice it runs.
pub(crate) struct HttpRemote {
    caller: Arc<dyn Caller>,
    target: ActorAddress,
}

impl HttpRemote {
    pub(crate) fn new(caller: Arc<dyn Caller>, target: ActorAddress) -> Self {
        Self { caller, target }
    }
}

#[async_trait]
impl HttpHandler for HttpRemote {
    async fn handle(
        &self,
        context: &CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault> {
        let (parts, body) = request.into_parts();
        // A small body of known length is waited for: whole, it lets the call be tried again. Of
        // unknown length it may be one end of a conversation, and the other end must start.
        let small = body
            .length()
            .is_some_and(|length| length <= INLINE_BODY_BYTES_MAX as u64);
        let patience = if small {
            context.remaining()
        } else {
            INLINE_BODY_PATIENCE
        };
        let (bulk, trailers, body) = match gather(body, Instant::now() + patience).await {
            Gathered::Whole(bytes, trailers) => (bytes, trailers, None),
            Gathered::Streamed(body) => (Bytes::new(), Trailers::new(), Some(body)),
        };
        let invocation = Invocation {
            target: self.target.clone(),
            interface: HttpInterface::NAME,
            operation: HANDLE,
            idempotent: is_idempotent(&parts.method),
            one_way: false,
            pinned_to: None,
            arguments: RequestHead::of(&parts, trailers).encode()?,
            bulk,
            body,
        };
        ResponseHead::decode(self.caller.call(context, invocation).await?)
    }
}

/// The methods that RFC 9110, section 9.2.2, calls idempotent: sent twice, they mean what they mean
/// sent once. A method that it does not know is taken for one that is not.
fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || matches!(*method, Method::PUT | Method::DELETE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotent_methods_are_those_of_the_rfc() {
        for (method, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("PUT", true),
            ("DELETE", true),
            ("POST", false),
            ("PATCH", false),
            ("CONNECT", false),
            ("PURGE", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(is_idempotent(&method), expected, "{method}");
        }
    }
}
