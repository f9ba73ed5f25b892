//! The one place where an error, a fault among them, becomes words for a guest, and a guest's words an
//! error.

use wasmtime::component::ResourceTableError;
use wrt_protocol::FaultKind;

use super::types;
use crate::MessagingError;

/// What ends a guest's call without a result.
#[derive(Debug)]
pub enum HostError {
    /// Told to the guest.
    Told(MessagingError),
    /// A handle that the guest does not have: its own mistake, and a trap.
    Trap(wasmtime::Error),
}

impl HostError {
    /// As the trap that it is where the guest can be told nothing.
    pub(super) fn into_trap(self) -> wasmtime::Error {
        match self {
            Self::Trap(trap) => trap,
            Self::Told(error) => error.into(),
        }
    }

    /// In the guest's words.
    ///
    /// # Errors
    /// The trap.
    pub(super) fn into_words(self) -> wasmtime::Result<types::Error> {
        match self {
            Self::Trap(trap) => Err(trap),
            Self::Told(error) => Ok(words(error)),
        }
    }
}

fn words(error: MessagingError) -> types::Error {
    match error {
        MessagingError::Timeout => types::Error::Timeout,
        MessagingError::Connection(text) => types::Error::Connection(text.into()),
        MessagingError::PermissionDenied(text) => types::Error::PermissionDenied(text.into()),
        MessagingError::Other(text) => types::Error::Other(text.into()),
        MessagingError::NoSuchLink(_) => types::Error::Connection(error.to_string()),
        MessagingError::Fault(fault) => {
            tracing::debug!(%fault, "a messaging call failed");
            match fault.kind() {
                FaultKind::DeadlineExceeded => types::Error::Timeout,
                FaultKind::Denied => types::Error::PermissionDenied(fault.to_string()),
                FaultKind::Unavailable
                | FaultKind::NodeLost
                | FaultKind::Disconnected
                | FaultKind::Draining
                | FaultKind::Overloaded { .. } => types::Error::Connection(fault.to_string()),
                _ => types::Error::Other(fault.to_string()),
            }
        }
        told => types::Error::Other(told.to_string()),
    }
}

/// What a guest that handles messages has said.
impl From<types::Error> for MessagingError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Timeout => Self::Timeout,
            types::Error::Connection(text) => Self::connection(&text),
            types::Error::PermissionDenied(text) => Self::permission_denied(text),
            types::Error::Other(text) => Self::other(text),
        }
    }
}

impl From<MessagingError> for HostError {
    fn from(error: MessagingError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}
