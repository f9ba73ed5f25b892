//! The one place where an error, a fault among them, becomes words for a guest: this interface knows no
//! other errors.

use wasmtime::component::ResourceTableError;

use crate::BlobstoreError;

/// What ends a guest's call without a result.
#[derive(Debug)]
pub(super) enum HostError {
    /// Told to the guest.
    Told(BlobstoreError),
    /// A handle that the guest does not have: its own mistake, and a trap.
    Trap(wasmtime::Error),
}

impl HostError {
    /// Where there are no words for it.
    pub(super) fn into_trap(self) -> wasmtime::Error {
        match self {
            Self::Told(error) => error.into(),
            Self::Trap(trap) => trap,
        }
    }
}

/// What the guest is told.
///
/// # Errors
/// The trap.
pub(super) fn told<T>(outcome: Result<T, HostError>) -> wasmtime::Result<Result<T, String>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(HostError::Told(error)) => {
            if let BlobstoreError::Fault(fault) = &error {
                tracing::debug!(%fault, "a blobstore call failed");
            }
            Ok(Err(error.to_string()))
        }
        Err(HostError::Trap(trap)) => Err(trap),
    }
}

impl From<BlobstoreError> for HostError {
    fn from(error: BlobstoreError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}
