//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

/// Why nothing was sent to anybody, a peer was not answered, or no connection was opened.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum WebSocketError {
    /// The component has no link of that name.
    #[error("there is no link {0:?} for wrt:websocket")]
    NoSuchLink(String),
    /// Something is larger than it may be.
    #[error("{limit}: {actual}, of at most {max}")]
    OverLimit {
        /// What.
        limit: Limit,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        max: u64,
    },
    /// No endpoint may send it.
    #[error("{0} is no code to close with: use 1000, or one from 3000 to 4999")]
    BadCode(u16),
    /// Bytes that are no text were to be sent as one.
    #[error("a text that is not UTF-8")]
    NotText,
    /// Nobody connects by a route of that name.
    #[error("there is no route {0:?} to connect by")]
    NoSuchRoute(String),
    /// A connection that cannot be asked for so.
    #[error("{0}")]
    BadRequest(String),
    /// A connection to where none may go.
    #[error("{0}")]
    Denied(String),
    /// The server has answered with a status instead.
    #[error("the server has answered with {0}")]
    Refused(u16),
    /// There is no such server, or it did not answer in time.
    #[error("{0}")]
    NotConnected(String),
    /// The lattice failed, or the component did.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of a message.
    #[error("bytes of a message")]
    MessageBytes,
    /// Peers that something is sent to.
    #[error("peers that something is sent to")]
    Receivers,
    /// Bytes of a reason.
    #[error("bytes of a reason")]
    ReasonBytes,
    /// Bytes of what a connection is asked for with.
    #[error("bytes of a request to connect")]
    ConnectingBytes,
    /// Fields and subprotocols of that.
    #[error("fields and subprotocols of a request to connect")]
    ConnectingFields,
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`WebSocketError::OverLimit`].
    pub fn check(self, actual: usize, max: usize) -> Result<(), WebSocketError> {
        match actual <= max {
            true => Ok(()),
            false => Err(WebSocketError::OverLimit {
                limit: self,
                actual: actual as u64,
                max: max as u64,
            }),
        }
    }
}
