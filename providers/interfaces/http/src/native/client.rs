//! The client's side: requests of guests, answered by whoever is out there.

mod of_handler;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wrt_contract::{Body, CallContext, Schema, interface};

use crate::{HttpError, RequestHead, ResponseHead};
pub use of_handler::HandlerAsClient;
pub(crate) use of_handler::of_the_caller;

/// Whoever carries requests of guests to where they are for.
#[interface(name = "wasi:http", error = HttpError)]
pub trait HttpClient {
    /// Sends one request and waits for the head of its response; the body goes on for as long as it
    /// makes progress. The context's deadline is for the head.
    ///
    /// The request's URI MUST be absolute. A redirect is a response like any other.
    ///
    /// # Errors
    /// By `wasi:http`'s own names; also in the middle of the body of the response.
    ///
    /// # Cancel safety
    /// Dropping the future, or the body of the response before its end, stops the request.
    #[operation(idempotent = request.is_idempotent())]
    async fn send(
        &self,
        context: &CallContext,
        request: RequestHead,
        options: RequestOptions,
        #[body] body: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError>;
}

/// How long each step of a request may take, as its guest has asked. A time that is not given is the
/// provider's own, and the call's budget bounds all of them up to the head of the response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct RequestOptions {
    /// Until there is a connection.
    pub connect_timeout: Option<Duration>,
    /// From then, or from the last piece of the request's body, until the head of the response.
    pub first_byte_timeout: Option<Duration>,
    /// Between two pieces of the response's body.
    pub between_bytes_timeout: Option<Duration>,
}
