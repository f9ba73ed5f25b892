//! The client's side: requests of guests, answered by whoever is out there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long each step of a request may take, as its guest has asked. A time that is not given is the
/// provider's own, and the call's budget bounds all of them up to the head of the response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestOptions {
    /// Until there is a connection.
    pub connect_timeout: Option<Duration>,
    /// From then, or from the last piece of the request's body, until the head of the response.
    pub first_byte_timeout: Option<Duration>,
    /// Between two pieces of the response's body.
    pub between_bytes_timeout: Option<Duration>,
}
