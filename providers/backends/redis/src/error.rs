//! What Redis answers, in the words of the interface.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use wrt_contract::CallContext;
use wrt_keyvalue::KeyValueError;
use wrt_protocol::{Fault, FaultKind, Hop};

/// Why a command gave no answer, or which error it answered.
pub(crate) fn failure(context: &CallContext, error: &RedisError) -> KeyValueError {
    match error.kind() {
        ErrorKind::Server(kind) => server_error(context, kind, error),
        ErrorKind::Extension => match error.code() {
            Some("OOM") => KeyValueError::Full,
            Some("NOAUTH" | "WRONGPASS") => KeyValueError::AccessDenied,
            Some("MISCONF" | "BUSY" | "NOREPLICAS") => unavailable(context, error).into(),
            _ => KeyValueError::other(error.to_string()),
        },
        ErrorKind::AuthenticationFailed => KeyValueError::AccessDenied,
        _ if was_not_sent(error) => unavailable(context, error).into(),
        ErrorKind::Io | ErrorKind::Parse => {
            let detail = format!("redis: {error}");
            let fault = Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail);
            fault.after(context.elapsed()).into()
        }
        _ => KeyValueError::other(error.to_string()),
    }
}

/// As [`failure`], of a command that adds to a counter.
pub(crate) fn counter_failure(context: &CallContext, error: &RedisError) -> KeyValueError {
    let text = error.to_string();
    if text.contains("increment or decrement would overflow") {
        KeyValueError::CounterOverflow
    } else if text.contains("not an integer") || text.contains("WRONGTYPE") {
        KeyValueError::NotAnInteger
    } else {
        failure(context, error)
    }
}

/// Whether the command has not left: there was no connection, and none could be made. The client
/// has no timeout of its own for answers, so a timeout is one of connecting.
pub(crate) fn was_not_sent(error: &RedisError) -> bool {
    error.is_connection_refusal() || error.is_timeout()
}

fn server_error(context: &CallContext, kind: ServerErrorKind, error: &RedisError) -> KeyValueError {
    match kind {
        ServerErrorKind::NoPerm => KeyValueError::AccessDenied,
        // Refused before it ran: the server is starting, or is not the one that takes writes now.
        ServerErrorKind::BusyLoading
        | ServerErrorKind::TryAgain
        | ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown
        | ServerErrorKind::ReadOnly => unavailable(context, error).into(),
        _ => KeyValueError::other(error.to_string()),
    }
}

fn unavailable(context: &CallContext, error: &RedisError) -> Fault {
    let detail = format!("redis: {error}");
    let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail);
    fault.after(context.elapsed())
}
