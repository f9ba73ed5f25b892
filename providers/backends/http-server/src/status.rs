//! What a fault is to a client.

use http::StatusCode;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

/// The status that stands for `fault`.
pub(crate) fn status_of(fault: &Fault) -> StatusCode {
    match fault.kind() {
        FaultKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        FaultKind::Cancelled
        | FaultKind::Overloaded { .. }
        | FaultKind::Unavailable
        | FaultKind::NodeLost
        | FaultKind::Disconnected
        | FaultKind::Draining
        | FaultKind::StaleEpoch
        | FaultKind::Fenced => StatusCode::SERVICE_UNAVAILABLE,
        // Refused before it ran, it was the request; after that, it was the answer.
        FaultKind::TooLarge if fault.execution() != Execution::Executed => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        FaultKind::Malformed if fault.execution() == Execution::NotExecuted => {
            StatusCode::BAD_REQUEST
        }
        FaultKind::TooLarge
        | FaultKind::Malformed
        | FaultKind::UnknownOperation
        | FaultKind::VersionMismatch => StatusCode::BAD_GATEWAY,
        FaultKind::Crashed => StatusCode::INTERNAL_SERVER_ERROR,
        FaultKind::Denied => StatusCode::FORBIDDEN,
    }
}

/// What is told of `fault`: its kind, and not where or why, unless the client could take it for something
/// that it is not.
pub(crate) fn text_of(fault: &Fault) -> String {
    match (fault.kind(), fault.hop()) {
        // Nobody has begun with the request.
        (FaultKind::DeadlineExceeded, Hop::Route) => "the component is still starting\n".to_owned(),
        (FaultKind::Overloaded { .. }, Hop::Route) => {
            "the component is starting, and too many requests wait for it\n".to_owned()
        }
        (kind, _) => format!("{kind}\n"),
    }
}

/// When the client may try again, in seconds, where that has a chance.
pub(crate) fn retry_after_secs(fault: &Fault) -> Option<u64> {
    match fault.kind() {
        FaultKind::Overloaded { retry_after_ms } => {
            Some(u64::from(retry_after_ms).div_ceil(1000).max(1))
        }
        _ if status_of(fault) == StatusCode::SERVICE_UNAVAILABLE => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        use Execution::{Executed, MaybeExecuted, NotExecuted};
        for (kind, execution, status, retry_after) in [
            (FaultKind::DeadlineExceeded, MaybeExecuted, 504, None),
            (FaultKind::Cancelled, MaybeExecuted, 503, Some(1)),
            (
                FaultKind::Overloaded { retry_after_ms: 0 },
                NotExecuted,
                503,
                Some(1),
            ),
            (
                FaultKind::Overloaded {
                    retry_after_ms: 2100,
                },
                NotExecuted,
                503,
                Some(3),
            ),
            (FaultKind::Unavailable, NotExecuted, 503, Some(1)),
            (FaultKind::NodeLost, MaybeExecuted, 503, Some(1)),
            (FaultKind::Disconnected, NotExecuted, 503, Some(1)),
            (FaultKind::Draining, NotExecuted, 503, Some(1)),
            (FaultKind::StaleEpoch, NotExecuted, 503, Some(1)),
            (FaultKind::TooLarge, MaybeExecuted, 413, None),
            (FaultKind::TooLarge, Executed, 502, None),
            (FaultKind::Malformed, NotExecuted, 400, None),
            (FaultKind::Malformed, Executed, 502, None),
            (FaultKind::UnknownOperation, NotExecuted, 502, None),
            (FaultKind::VersionMismatch, NotExecuted, 502, None),
            (FaultKind::Crashed, MaybeExecuted, 500, None),
            (FaultKind::Denied, NotExecuted, 403, None),
            (FaultKind::Fenced, NotExecuted, 503, Some(1)),
        ] {
            let fault = Fault::new(kind, execution, Hop::Actor, "");
            assert_eq!(status_of(&fault).as_u16(), status, "{fault}");
            assert_eq!(retry_after_secs(&fault), retry_after, "{fault}");
        }
    }
}
