//! What the operation answers instead of a token.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

use crate::limits::ERROR_TEXT_BYTES_MAX;

/// Why there is no token. None of them holds one, nor what it is asked for with.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum IdentityError {
    /// The component has no link, or the provider has no identity of this name.
    #[error("no such identity")]
    NoSuchIdentity,
    /// Who gives tokens gives none; made with [`IdentityError::denied`].
    #[error("denied: {0}")]
    Denied(Box<str>),
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
    /// A name, a scope or a token of no bytes.
    #[error("a name, a scope and a token have at least one byte")]
    Empty,
    /// A scope or a token with characters that none has.
    #[error("a scope and a token are of visible ASCII characters, and a scope has no quotes")]
    BadCharacter,
    /// Scopes that this provider gives no token for, and why.
    #[error("{0}")]
    BadScopes(Box<str>),
    /// Everything else, in words; made with [`IdentityError::other`].
    #[error("{0}")]
    Other(Box<str>),
    /// The lattice, or the provider's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of an identity's name.
    #[error("bytes of an identity's name")]
    IdentityBytes,
    /// Bytes of a scope.
    #[error("bytes of a scope")]
    ScopeBytes,
    /// Scopes of one token.
    #[error("scopes of one token")]
    Scopes,
    /// Bytes of a token.
    #[error("bytes of a token")]
    TokenBytes,
}

impl IdentityError {
    /// With the code of the refusal, cut at [`ERROR_TEXT_BYTES_MAX`]. It MUST NOT quote what was sent.
    #[must_use]
    pub fn denied(code: impl AsRef<str>) -> Self {
        Self::Denied(cut(code.as_ref()))
    }

    /// With words, cut at [`ERROR_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn other(text: impl AsRef<str>) -> Self {
        Self::Other(cut(text.as_ref()))
    }
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(ERROR_TEXT_BYTES_MAX)].into()
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`IdentityError::OverLimit`].
    pub(crate) fn check(self, actual: usize, max: usize) -> Result<(), IdentityError> {
        match actual <= max {
            true => Ok(()),
            false => Err(IdentityError::OverLimit {
                limit: self,
                actual: actual as u64,
                max: max as u64,
            }),
        }
    }
}
