//! The interface's limits, by name.

use std::time::Duration;

/// A body up to this length travels beside its head in one message, where it is whole soon enough.
/// Above it the announcement and the credit of a stream cost less than the copy.
pub const INLINE_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body of unknown length, or of a response, is waited for to become whole before it
/// travels as a stream: long enough for a guest that writes it in one go, too short to be noticed
/// in one that streams.
pub const INLINE_BODY_PATIENCE: Duration = Duration::from_millis(2);
/// The head of a request or a response on the bus: above what HTTP servers accept from outside.
pub const HTTP_HEAD_BYTES_MAX: usize = 256 * 1024;
