//! The one place where an error, a fault among them, becomes words for a guest.

use wasmtime::component::ResourceTableError;
use wrt_protocol::FaultKind;

use crate::KeyValueError;

/// What ends a guest's call without a result.
#[derive(Debug)]
pub enum HostError {
    /// Told to the guest.
    Told(KeyValueError),
    /// A handle that the guest does not have: its own mistake, and a trap.
    Trap(wasmtime::Error),
}

/// `wasi:keyvalue/store.error`, which both drafts spell the same.
pub(crate) enum Words {
    NoSuchStore,
    AccessDenied,
    Other(String),
}

impl HostError {
    /// In the guest's words.
    ///
    /// # Errors
    /// The trap.
    pub(crate) fn into_words(self) -> wasmtime::Result<Words> {
        match self {
            Self::Trap(trap) => Err(trap),
            Self::Told(KeyValueError::NoSuchStore) => Ok(Words::NoSuchStore),
            Self::Told(KeyValueError::AccessDenied) => Ok(Words::AccessDenied),
            Self::Told(KeyValueError::Fault(fault)) => {
                tracing::debug!(%fault, "a keyvalue call failed");
                Ok(match fault.kind() {
                    FaultKind::Denied => Words::AccessDenied,
                    _ => Words::Other(fault.to_string()),
                })
            }
            Self::Told(error) => Ok(Words::Other(error.to_string())),
        }
    }
}

impl From<KeyValueError> for HostError {
    fn from(error: KeyValueError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}
