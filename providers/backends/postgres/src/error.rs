//! What Postgres, or the way to it, answers, in the words of the interface.

use std::error::Error as _;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::{Error, error::DbError};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};
use wrt_sql::{DatabaseError, SqlError};

/// Where the server says that a plan is of another time.
const STALE_PLAN_ROUTINE: &str = "RevalidateCachedQuery";

/// The state of a statement that the server has forgotten.
const UNKNOWN_STATEMENT: &str = "26000";

/// The state of a write on a server, or in a transaction, that takes none.
pub(crate) const READ_ONLY: &str = "25006";

/// The state of a statement that was cancelled.
pub(crate) const CANCELLED: &str = "57014";

/// What is said of an error of a statement that may have run as `execution` says, if the connection is
/// lost.
pub(crate) fn failure(error: &Error, execution: Execution) -> SqlError {
    if let Some(refused) = error.as_db_error()
        && !ends_the_connection(refused)
    {
        return SqlError::Database(Box::new(of_database(refused).bounded()));
    }
    if let Some(refused) = refused_here(error) {
        return refused.clone();
    }
    let detail = format!("postgres: {}", words(error));
    Fault::new(FaultKind::Unavailable, execution, Hop::Backend, detail).into()
}

/// Why there is no connection.
pub(crate) fn no_connection(error: &PoolError, connections_max: u64) -> SqlError {
    let (kind, detail) = match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            let kind = FaultKind::Overloaded { retry_after_ms: 0 };
            (
                kind,
                format!("all {connections_max} connections are in use"),
            )
        }
        PoolError::Backend(error) => (FaultKind::Unavailable, words(error)),
        other => (FaultKind::Unavailable, other.to_string()),
    };
    let detail = format!("postgres: {detail}");
    Fault::not_executed(kind, Hop::Backend, detail).into()
}

/// Whether the statement was refused because what is known of it is of another time: nothing has run.
pub(crate) fn is_stale(error: &Error) -> bool {
    error.as_db_error().is_some_and(|refused| {
        refused.routine() == Some(STALE_PLAN_ROUTINE) || refused.code().code() == UNKNOWN_STATEMENT
    })
}

/// Whether a value did not fit its place: nothing was sent.
pub(crate) fn is_refused_here(error: &Error) -> bool {
    refused_here(error).is_some()
}

fn refused_here(error: &Error) -> Option<&SqlError> {
    error.source()?.downcast_ref()
}

/// Whether a statement that was refused before it ran may have been because its types are of another time:
/// a value does not fit, is not read, or the server finds no operator for it.
pub(crate) fn may_be_of_types(error: &Error) -> bool {
    let is_of_values = |state: &str| state.starts_with("22") || state.starts_with("42");
    is_refused_here(error) || error.code().is_some_and(|code| is_of_values(code.code()))
}

/// Whether the server will never take it: who asks, or for which database.
pub(crate) fn is_refused_for_good(error: &Error) -> bool {
    let code = error.code().map(|code| code.code());
    code.is_some_and(|code| code.starts_with("28") || code == "3D000")
}

/// The server ends the connection with it, and not the statement alone.
fn ends_the_connection(error: &DbError) -> bool {
    matches!(error.severity(), "FATAL" | "PANIC")
}

fn of_database(error: &DbError) -> DatabaseError {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    DatabaseError {
        state: error.code().code().to_owned(),
        message: error.message().to_owned(),
        detail: owned(error.detail()).or_else(|| owned(error.hint())),
        constraint: owned(error.constraint()),
        table: owned(error.table()),
        column: owned(error.column()),
    }
}

/// An error with what is below it; none of the driver's has a password in it.
pub(crate) fn words(error: &Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
