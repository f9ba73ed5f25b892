//! What the client and the server say, in the words of the interface.

use mongodb::error::{Error, ErrorKind, WriteFailure};
use wrt_blobstore::BlobstoreError;
use wrt_contract::CallContext;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

/// Codes of the server: it has no room, by its disk or by a quota.
const NO_ROOM: [i32; 2] = [14031, 12501];

/// It is no primary, or becomes one, or shuts down: nothing was done.
const NOT_NOW: [i32; 9] = [10107, 13435, 13436, 10058, 11600, 11602, 189, 91, 216];

const NOT_ALLOWED: i32 = 13;
const LOGIN_REFUSED: i32 = 18;
const DUPLICATE: i32 = 11000;

const WHEN_UNREACHED: &str = "if the server is there: the client goes by the names that its members give, and \
     `directConnection=true` in the URL keeps it to the address that stands there";

/// Why a command gave no answer, or which error it answered.
pub(crate) fn failure(context: &CallContext, error: &Error) -> BlobstoreError {
    let told = format!("mongodb: {}", said(error));
    let fault = |execution| {
        let fault = Fault::new(FaultKind::Unavailable, execution, Hop::Backend, &told);
        fault.after(context.elapsed()).into()
    };
    match &*error.kind {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => fault(Execution::NotExecuted),
        ErrorKind::Io(_) | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => {
            fault(Execution::MaybeExecuted)
        }
        _ => match code(error) {
            Some(code) if NO_ROOM.contains(&code) => BlobstoreError::full(told),
            Some(code) if NOT_NOW.contains(&code) => fault(Execution::NotExecuted),
            _ => BlobstoreError::other(told),
        },
    }
}

/// The same of what stores bytes that nothing names yet: nothing was changed.
pub(crate) fn not_executed(error: BlobstoreError) -> BlobstoreError {
    match error {
        BlobstoreError::Fault(fault) => Fault::new(
            fault.kind(),
            Execution::NotExecuted,
            Hop::Backend,
            fault.detail(),
        )
        .into(),
        other => other,
    }
}

/// That a write was given up, and has changed nothing.
pub(crate) fn given_up(detail: &str) -> BlobstoreError {
    let detail = format!("mongodb: {detail}");
    Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
}

/// Whether the server does not take who logs in, or what is known of it at all.
pub(crate) fn is_refused(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Authentication { .. })
        || matches!(code(error), Some(NOT_ALLOWED | LOGIN_REFUSED))
}

/// Whether something of the same name was made meanwhile.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE)
}

/// What is wrong, and what to do about it.
pub(crate) fn said(error: &Error) -> String {
    let told = match &*error.kind {
        ErrorKind::Command(refusal) => &refusal.message,
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => &refusal.message,
        ErrorKind::Write(WriteFailure::WriteConcernError(refusal)) => &refusal.message,
        kind => &kind.to_string(),
    };
    match &*error.kind {
        ErrorKind::ServerSelection { .. } => format!("{told}; {WHEN_UNREACHED}"),
        ErrorKind::Authentication { .. } => {
            format!("{told}: the URL's user, password or authSource is not what the server knows")
        }
        _ if code(error) == Some(NOT_ALLOWED) => {
            format!("{told}: the URL's user needs the role readWrite on the database")
        }
        _ => told.clone(),
    }
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(refusal) => Some(refusal.code),
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => Some(refusal.code),
        ErrorKind::InsertMany(refusal) => {
            let first = refusal.write_errors.as_ref()?.first()?;
            Some(first.code)
        }
        _ => None,
    }
}
