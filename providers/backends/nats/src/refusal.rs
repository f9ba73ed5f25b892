//! What JetStream refuses, by its reason.

use async_nats::jetstream::{Error, ErrorCode};

/// What the server refused for want of room.
const NO_ROOM: [ErrorCode; 4] = [
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
];

/// Whether the servers are about to agree on who answers.
pub(crate) fn has_no_leader(error: &Error) -> bool {
    matches!(
        error.error_code(),
        ErrorCode::CLUSTER_NOT_AVAILABLE | ErrorCode::CLUSTER_NOT_LEADER
    )
}

/// Whether a stream, or its account, is full. The stream's own limits have no codes of their own.
pub(crate) fn has_no_room(error: &Error) -> bool {
    let text = error.to_string();
    NO_ROOM.contains(&error.error_code())
        || text.contains("maximum bytes")
        || text.contains("maximum messages")
}
