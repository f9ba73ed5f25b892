//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

use crate::{DatabaseError, limits::ERROR_TEXT_BYTES_MAX};

/// Why an operation failed.
#[derive(
    Debug, Clone, PartialEq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum SqlError {
    /// The component has no link of this name.
    #[error("there is no link {0:?} to a database")]
    NoSuchLink(String),
    /// The database has refused the statement.
    #[error("{}: {}", .0.state, .0.message)]
    Database(Box<DatabaseError>),
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
    /// The guest asks for what leads nowhere.
    #[error("{0}")]
    Misused(Box<str>),
    /// The lattice, or the provider's way to its database, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of a statement's text.
    #[error("bytes of a statement's text")]
    StatementBytes,
    /// Parameters of a statement.
    #[error("parameters of a statement")]
    Parameters,
    /// Bytes of parameters.
    #[error("bytes of parameters")]
    ParameterBytes,
    /// Statements of a batch.
    #[error("statements of a batch")]
    BatchCommands,
    /// Bytes of rows that are answered at once.
    #[error("bytes of rows answered at once; read them as a stream")]
    ResultBytes,
    /// Bytes of one row.
    #[error("bytes of a row")]
    RowBytes,
    /// Bytes of a savepoint's name.
    #[error("bytes of a savepoint's name")]
    SavepointBytes,
    /// What an instance holds.
    #[error("databases, statements, streams and transactions held by an instance")]
    Handles,
}

impl SqlError {
    /// What a database refuses, or what is refused in its place, with its SQLSTATE.
    #[must_use]
    pub fn refused(state: &str, message: impl AsRef<str>) -> Self {
        Self::Database(Box::new(DatabaseError {
            state: state.to_owned(),
            message: cut(message.as_ref()),
            detail: None,
            constraint: None,
            table: None,
            column: None,
        }))
    }

    pub(crate) fn misused(text: &str) -> Self {
        Self::Misused(cut(text).into())
    }

    /// The SQLSTATE, where the database has refused.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Database(error) => Some(&error.state),
            _ => None,
        }
    }
}

/// As much of a text as an error carries.
pub(crate) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(ERROR_TEXT_BYTES_MAX)].to_owned()
}

impl DatabaseError {
    /// With each text as long as an error carries it.
    #[must_use]
    pub fn bounded(self) -> Self {
        let bound = |text: Option<String>| text.map(|text| cut(&text));
        Self {
            state: self.state,
            message: cut(&self.message),
            detail: bound(self.detail),
            constraint: bound(self.constraint),
            table: bound(self.table),
            column: bound(self.column),
        }
    }
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`SqlError::OverLimit`].
    pub fn check(self, actual: usize, max: usize) -> Result<(), SqlError> {
        match actual <= max {
            true => Ok(()),
            false => Err(SqlError::OverLimit {
                limit: self,
                actual: actual as u64,
                max: max as u64,
            }),
        }
    }
}
