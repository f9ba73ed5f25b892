//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

use crate::limits::ERROR_TEXT_BYTES_MAX;

/// Why a setting could not be read.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum ConfigError {
    /// The component has no link to a provider.
    #[error("no settings are linked to this component")]
    NotLinked,
    /// Something is larger than it may be; the numbers are in [`crate::limits`].
    #[error("{what}: {actual}, of at most {max}")]
    OverLimit {
        /// What, in words.
        what: Box<str>,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        max: u64,
    },
    /// What the service says, in its own words; made with [`ConfigError::upstream`].
    #[error("{0}")]
    Upstream(Box<str>),
    /// The lattice, or the provider's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

impl ConfigError {
    /// What the service says, cut at [`ERROR_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn upstream(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let end = text.floor_char_boundary(ERROR_TEXT_BYTES_MAX);
        Self::Upstream(text[..end].into())
    }
}
