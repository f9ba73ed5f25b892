//! What is built into a node: the trait, its host glue, its default and its suite.

mod calendar;
mod error;
mod provider;
mod rows_body;
mod scan;
mod script;
mod session;
mod sqlite;
mod statement;
mod transaction;
mod value;

pub mod conformance;
pub mod host;
pub mod limits;

use wrt_contract::{Body, CallContext, Lease, interface};

pub use calendar::{date_of_days, days_of_date, instant_of_micros, time_of_micros};
pub use error::{Limit, SqlError};
pub use host::{
    WrtSql,
    bindings::wrt::sql::types::{
        Array, Column, Command, DatabaseError, Date, Description, Interval, Isolation, Other, Rows,
        Scalar, Time, Timestamp, TransactionOptions, Value,
    },
};
pub use provider::SqlProvider;
pub use session::{End, Pool, Row, Savepoint, Session};
pub use sqlite::{SqlDefault, SqliteConfig};
pub use value::{array_text, no_such_time, scalar_text};

/// A database.
///
/// An operation without a lease takes a connection of its own. One with a lease is of the transaction that
/// [`Sql::begin`] has given it for.
#[interface(name = "wrt:sql", error = SqlError)]
pub trait Sql {
    /// Runs a statement, and answers with all of its rows.
    ///
    /// # Errors
    /// [`Limit::ResultBytes`] where they are too many, and [`Sql::stream`] is what to use.
    async fn query(&self, context: &CallContext, command: &Command) -> Result<Rows, SqlError>;

    /// Runs a statement; how many rows it has changed.
    ///
    /// # Errors
    /// What the database says.
    async fn execute(&self, context: &CallContext, command: &Command) -> Result<u64, SqlError>;

    /// Runs statements in one transaction; how many rows each has changed.
    ///
    /// # Errors
    /// That of the first one that fails, which undoes the others.
    async fn batch(
        &self,
        context: &CallContext,
        commands: &[Command],
    ) -> Result<Vec<u64>, SqlError>;

    /// Runs a statement; its rows flow as they are read, in the form of `rows_body`, within the context's
    /// time.
    ///
    /// # Errors
    /// What the database says before the first row; the rest ends the body.
    async fn stream(
        &self,
        context: &CallContext,
        command: &Command,
    ) -> Result<(Vec<Column>, Body<SqlError>), SqlError>;

    /// What a statement needs and answers; it is not run.
    ///
    /// # Errors
    /// What is wrong with it.
    #[operation(idempotent)]
    async fn describe(&self, context: &CallContext, text: &str) -> Result<Description, SqlError>;

    /// Begins a transaction. It is rolled back when its lease ends.
    ///
    /// # Errors
    /// As the other operations.
    async fn begin(
        &self,
        context: &CallContext,
        options: &TransactionOptions,
    ) -> Result<Lease, SqlError>;

    /// [`Sql::query`] in a transaction.
    ///
    /// # Errors
    /// After an error of the database all operations of the transaction are refused with the state
    /// `25P02`, but [`Sql::savepoint`] back to one, and the ends. A fault has ended it.
    async fn query_in(
        &self,
        context: &CallContext,
        #[lease] transaction: &Lease,
        command: &Command,
    ) -> Result<Rows, SqlError>;

    /// [`Sql::execute`] in a transaction.
    ///
    /// # Errors
    /// As [`Sql::query_in`].
    async fn execute_in(
        &self,
        context: &CallContext,
        #[lease] transaction: &Lease,
        command: &Command,
    ) -> Result<u64, SqlError>;

    /// [`Sql::stream`] in a transaction, which does nothing else until the body has ended.
    ///
    /// # Errors
    /// As [`Sql::query_in`].
    async fn stream_in(
        &self,
        context: &CallContext,
        #[lease] transaction: &Lease,
        command: &Command,
    ) -> Result<(Vec<Column>, Body<SqlError>), SqlError>;

    /// Makes a savepoint of a transaction, goes back to it or forgets it.
    ///
    /// # Errors
    /// As [`Sql::query_in`].
    async fn savepoint(
        &self,
        context: &CallContext,
        #[lease] transaction: &Lease,
        what: &Savepoint,
        name: &str,
    ) -> Result<(), SqlError>;

    /// Makes all of a transaction last. It is over, whatever the answer is.
    ///
    /// # Errors
    /// *Maybe executed* when the answer of the database is lost.
    async fn commit(
        &self,
        context: &CallContext,
        #[lease] transaction: &Lease,
    ) -> Result<(), SqlError>;

    /// Undoes all of a transaction. It is over, whatever the answer is.
    ///
    /// # Errors
    /// As [`Sql::query_in`].
    async fn rollback(
        &self,
        context: &CallContext,
        #[lease] transaction: &Lease,
    ) -> Result<(), SqlError>;
}
