//! The client's limits that are not settings.

use std::time::Duration;

/// Names that are being resolved at a time: each holds a thread of the runtime's for blocking work, as
/// long as the system's resolver takes.
pub const RESOLUTIONS_MAX: usize = 64;
/// Addresses of one name that are tried, one after another.
pub const ADDRESSES_MAX: usize = 8;
/// What one HTTP/2 stream may have in flight towards this node, unread.
pub const STREAM_WINDOW_BYTES: u32 = 512 * 1024;
/// What all streams of one HTTP/2 connection may have. Above the sum of many that stand still, so that
/// they do not hold up the others.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// What one HTTP/2 stream may have in flight to the server, unsent.
pub const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// A connection of HTTP/2 with a request on it is asked this often whether it is still there.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// And is given up after this long without an answer.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the body of a request that has no meaning by its method (GET, HEAD) is waited for, to send
/// none where there is none.
pub const EMPTY_BODY_PATIENCE: Duration = Duration::from_millis(2);
/// A connection that was made and that nobody has used is kept for its request for so long, before its
/// place may be given to another.
pub const UNUSED_PATIENCE: Duration = Duration::from_secs(2);
/// How often who waits for a place looks whether such a connection is there.
pub const IDLE_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long after its time the connector may say what that went on, before the time alone is told.
pub const CONNECT_GRACE: Duration = Duration::from_millis(50);
