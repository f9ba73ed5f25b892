//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

use crate::limits::ERROR_TEXT_BYTES_MAX;

/// Why an operation failed. None of them holds a value.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum VaultError {
    /// The component has no link to a vault.
    #[error("no such vault")]
    NoSuchVault,
    /// The service behind the vault does not allow it.
    #[error("access denied")]
    AccessDenied,
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
    /// A name or a version of no bytes.
    #[error("a name and a version have at least one byte")]
    Empty,
    /// A cursor that no listing gave.
    #[error("not a cursor of this vault")]
    BadCursor,
    /// The vault has no room for the value.
    #[error("the vault is full")]
    Full,
    /// What the service answered, in its own words; made with [`VaultError::other`].
    #[error("{0}")]
    Other(Box<str>),
    /// The lattice, or the vault's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of a locker's name.
    #[error("bytes of a locker's name")]
    LockerBytes,
    /// Bytes of a secret's name.
    #[error("bytes of a secret's name")]
    NameBytes,
    /// Bytes of a value.
    #[error("bytes of a value")]
    ValueBytes,
    /// Bytes of a version.
    #[error("bytes of a version")]
    VersionBytes,
    /// Bytes of a cursor.
    #[error("bytes of a cursor")]
    CursorBytes,
}

impl VaultError {
    /// What the service answered, cut at [`ERROR_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn other(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let end = text.floor_char_boundary(ERROR_TEXT_BYTES_MAX);
        Self::Other(text[..end].into())
    }
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`VaultError::OverLimit`].
    pub fn check(self, actual: usize, max: usize) -> Result<(), VaultError> {
        if actual <= max {
            return Ok(());
        }
        Err(VaultError::OverLimit {
            limit: self,
            actual: actual as u64,
            max: max as u64,
        })
    }
}
