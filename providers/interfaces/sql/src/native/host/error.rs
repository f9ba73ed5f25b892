//! Where an error becomes words for a guest.

use wasmtime::component::ResourceTableError;
use wrt_protocol::Execution;

use super::bindings::wrt::sql::types;
use crate::SqlError;

/// What a function of the host fails with.
#[derive(Debug)]
pub enum HostError {
    /// Told to the guest.
    Told(SqlError),
    /// A handle that the guest does not have: its own mistake, and a trap.
    Trap(wasmtime::Error),
}

impl HostError {
    pub(super) fn into_words(self) -> wasmtime::Result<types::Error> {
        Ok(match self {
            Self::Trap(trap) => return Err(trap),
            Self::Told(SqlError::NoSuchLink(link)) => types::Error::NoSuchLink(link),
            Self::Told(SqlError::Database(error)) => types::Error::Database(*error),
            Self::Told(error @ SqlError::OverLimit { .. }) => {
                types::Error::OverLimit(error.to_string())
            }
            Self::Told(SqlError::Misused(text)) => types::Error::Misused(text.into()),
            Self::Told(SqlError::Fault(fault)) => {
                tracing::debug!(%fault, "an SQL call failed");
                let words = fault.to_string();
                match fault.execution() {
                    Execution::NotExecuted => types::Error::NotExecuted(words),
                    Execution::MaybeExecuted => types::Error::MaybeExecuted(words),
                    Execution::Executed => types::Error::Executed(words),
                }
            }
        })
    }
}

impl From<SqlError> for HostError {
    fn from(error: SqlError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}
