//! What Redis answers, in the words of the interface.

use std::{error::Error, io, sync::Arc};

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
/// has no timeout of its own for answers, so a timeout of its own is one of connecting; one of the
/// operating system may be that of bytes which were sent and never acknowledged.
pub(crate) fn was_not_sent(error: &RedisError) -> bool {
    error.is_connection_refusal() || (error.is_timeout() && !is_of_the_system(error))
}

/// What cannot be looked into counts as one of the system: that claims less.
fn is_of_the_system(error: &RedisError) -> bool {
    let source = error.source();
    let shared = source.and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let io = shared.and_then(|shared| shared.downcast_ref::<io::Error>());
    io.is_none_or(|io| io.raw_os_error().is_some())
}

/// Whether the server has refused a write because another one takes them now.
pub(crate) fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
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

#[cfg(test)]
mod tests {
    use wrt_protocol::Execution;

    use super::*;

    /// The bug: a command whose bytes nobody acknowledged was taken for one that was not sent, and
    /// sent again.
    #[test]
    fn a_timeout_of_the_system_may_be_of_what_was_sent() {
        const ETIMEDOUT: i32 = 110;
        let of_system = RedisError::from(io::Error::from_raw_os_error(ETIMEDOUT));
        assert!(of_system.is_timeout());
        assert!(!was_not_sent(&of_system));
        let KeyValueError::Fault(fault) = failure(&CallContext::default(), &of_system) else {
            panic!("another error");
        };
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        let of_connecting = RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        assert!(was_not_sent(&of_connecting));
    }
}
