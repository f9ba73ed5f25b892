//! What SQLite answers, with the SQLSTATE that other databases have for it.

use rusqlite::{Error, ErrorCode, ffi};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{DatabaseError, SqlError};

/// How SQLite begins to say what is missing, and what others call that.
const WORDS: &[(&str, &str)] = &[
    ("no such table", "42P01"),
    ("no such column", "42703"),
    ("no such function", "42883"),
    ("no such savepoint", "3B001"),
    ("not authorized", "42501"),
    ("integer overflow", "22003"),
    ("malformed JSON", "22P02"),
];

/// The same of how it ends.
const ENDS: &[(&str, &str)] = &[
    ("already exists", "42P07"),
    ("syntax error", "42601"),
    ("incomplete input", "42601"),
    ("has no column named", "42703"),
    ("prohibited", "42501"),
];

/// What is said of an error of SQLite's.
pub(super) fn failure(error: &Error) -> SqlError {
    let (code, message) = match error {
        Error::SqliteFailure(code, message) => (*code, message.clone()),
        Error::SqlInputError { error, msg, .. } => (*error, Some(msg.clone())),
        other => return SqlError::refused("HY000", other.to_string()),
    };
    let message = message.unwrap_or_else(|| code.to_string());
    match code.code {
        ErrorCode::ConstraintViolation => constraint(code, &message),
        ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::CannotOpen
        | ErrorCode::NotADatabase => {
            let detail = format!("sqlite: {message}");
            Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
        }
        other => SqlError::refused(state(other, &message), message),
    }
}

fn state(code: ErrorCode, message: &str) -> &'static str {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "40001",
        ErrorCode::ReadOnly => "25006",
        ErrorCode::OperationInterrupted => "57014",
        ErrorCode::DiskFull => "53100",
        ErrorCode::OutOfMemory => "53200",
        ErrorCode::TooBig => "54000",
        ErrorCode::TypeMismatch => "42804",
        ErrorCode::AuthorizationForStatementDenied | ErrorCode::PermissionDenied => "42501",
        _ => {
            let known = WORDS.iter().find(|(words, _)| message.starts_with(words));
            let known = known.or_else(|| ENDS.iter().find(|(words, _)| message.contains(words)));
            known.map_or("HY000", |(_, state)| state)
        }
    }
}

/// `UNIQUE constraint failed: people.name`: of which table, and which column or which constraint.
fn constraint(code: ffi::Error, message: &str) -> SqlError {
    let state = match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => "23505",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "23502",
        ffi::SQLITE_CONSTRAINT_CHECK => "23514",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "23503",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "42804",
        _ => "23000",
    };
    let what = message.split_once(": ").map(|(_, what)| what);
    let place = what.and_then(|what| what.split_once('.'));
    let (table, column) = match (state, place) {
        // Of several columns none is the culprit.
        ("23505" | "23502", Some((table, column))) => {
            (Some(table), (!column.contains(',')).then_some(column))
        }
        _ => (None, None),
    };
    let constraint = what.filter(|_| state == "23514");
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let error = DatabaseError {
        state: state.to_owned(),
        message: message.to_owned(),
        detail: None,
        constraint: owned(constraint),
        table: owned(table),
        column: owned(column),
    };
    SqlError::Database(Box::new(error.bounded()))
}
