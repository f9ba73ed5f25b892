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
            error @ (WebSocketError::NotText | WebSocketError::Fault(_)) => {
                peers::Error::Unavailable(error.to_string())
            }
        })
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
