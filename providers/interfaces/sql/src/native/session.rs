//! What a database must be able to do; [`SqlProvider`](crate::SqlProvider) makes the interface of it.

use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, Schema};

use crate::{Column, Command, Description, SqlError, TransactionOptions, Value};

/// A row of a result.
pub type Row = Vec<Value>;

/// Where connections come from.
pub trait Pool: Send + Sync + 'static {
    /// A connection that is one caller's for a while.
    type Session: Session;

    /// A connection that is in no transaction and runs nothing. It waits for one for no longer than the
    /// pool's own limit.
    ///
    /// # Errors
    /// Faults, all *not executed*.
    fn session(
        &self,
        context: &CallContext,
    ) -> impl Future<Output = Result<Self::Session, SqlError>> + Send;
}

/// A connection that is one caller's for a while.
///
/// Whatever is dropped stops: an operation that is not waited for, and a session in a transaction or with
/// rows that were not read. Its pool MUST have the connection again only when nothing runs on it and it
/// is in no transaction.
///
/// An error that is a fault says whether the statement may have run, and the session is of no more use;
/// after any other error it is.
pub trait Session: Send + 'static {
    /// Begins a transaction.
    fn begin(
        &mut self,
        options: &TransactionOptions,
    ) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Ends it.
    fn end(&mut self, how: End) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Sets, goes back to or forgets a savepoint.
    fn savepoint(
        &mut self,
        what: Savepoint,
        name: &str,
    ) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Runs a statement; how many rows it has changed.
    fn execute(&mut self, command: &Command) -> impl Future<Output = Result<u64, SqlError>> + Send;

    /// Runs a statement; its rows are then to be read to their end.
    fn query(
        &mut self,
        command: &Command,
    ) -> impl Future<Output = Result<Vec<Column>, SqlError>> + Send;

    /// The next rows of it, some [`PIECE_BYTES`](crate::limits::PIECE_BYTES) of them; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Row>, SqlError>> + Send;

    /// What a statement needs and answers.
    fn describe(
        &mut self,
        text: &str,
    ) -> impl Future<Output = Result<Description, SqlError>> + Send;
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it lasts.
    Commit,
    /// Nothing of it has happened.
    Rollback,
}

/// What is done with a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Savepoint {
    /// It is made.
    Set,
    /// All since then is undone.
    RollbackTo,
    /// It is forgotten.
    Release,
}

impl Savepoint {
    /// The statement, in every database's words.
    #[must_use]
    pub fn statement(self, name: &str) -> String {
        let words = match self {
            Self::Set => "SAVEPOINT",
            Self::RollbackTo => "ROLLBACK TO SAVEPOINT",
            Self::Release => "RELEASE SAVEPOINT",
        };
        format!("{words} \"{}\"", name.replace('"', "\"\""))
    }
}
