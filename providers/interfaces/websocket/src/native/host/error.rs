//! Where an error becomes words for a guest.

use wrt_contract::InterfaceError;
use wrt_protocol::{Execution, Fault};

use super::bindings::wrt::websocket::peers;
use crate::WebSocketError;

/// What a function of the host fails with.
#[derive(Debug)]
pub struct HostError(WebSocketError);

impl HostError {
    pub(super) fn into_words(self) -> wasmtime::Result<peers::Error> {
        Ok(match self.0 {
            WebSocketError::NoSuchLink(link) => peers::Error::NoSuchLink(link),
            WebSocketError::BadCode(code) => peers::Error::BadCode(code),
            error @ WebSocketError::OverLimit { .. } => peers::Error::OverLimit(error.to_string()),
            error => peers::Error::Unavailable(error.to_string()),
        })
    }
}

/// Why no connection was opened.
#[derive(Debug)]
pub struct ConnectHostError(WebSocketError);

impl ConnectHostError {
    pub(super) fn into_words(self) -> wasmtime::Result<peers::ConnectError> {
        use peers::ConnectError;
        Ok(match self.0 {
            WebSocketError::NoSuchLink(link) => ConnectError::NoSuchLink(link),
            WebSocketError::NoSuchRoute(route) => ConnectError::NoSuchRoute(route),
            WebSocketError::BadRequest(words) => ConnectError::BadRequest(words),
            WebSocketError::Denied(words) => ConnectError::Denied(words),
            WebSocketError::Refused(status) => ConnectError::Refused(status),
            WebSocketError::NotConnected(words) => ConnectError::NotConnected(words),
            error @ WebSocketError::OverLimit { .. } => ConnectError::OverLimit(error.to_string()),
            error => ConnectError::Unavailable(error.to_string()),
        })
    }
}

impl From<WebSocketError> for ConnectHostError {
    fn from(error: WebSocketError) -> Self {
        Self(error)
    }
}

impl From<WebSocketError> for HostError {
    fn from(error: WebSocketError) -> Self {
        Self(error)
    }
}

impl WebSocketError {
    /// Whether nothing of the operation ran, so that it may be made again.
    #[must_use]
    pub fn is_not_executed(&self) -> bool {
        let fault: Option<&Fault> = self.as_fault();
        fault.is_none_or(|fault| fault.execution() == Execution::NotExecuted)
    }
}
