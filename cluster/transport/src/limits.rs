//! Every limit of a transport, by name.

use std::time::Duration;

use crate::Lane;

/// Heartbeats that a subscription buffers: ten seconds of the most that a lattice sends.
pub const CONTROL_PAYLOADS_BUFFERED_MAX: usize = 4096;
/// Calls that a subscription buffers, and replies that a connection does. As many as a node may have
/// calls in hand, so that a burst of replies to all of them fits.
pub const CALL_PAYLOADS_BUFFERED_MAX: usize = wrt_protocol::limits::CALLS_IN_HAND_MAX;
/// Stream frames that a subscription buffers: with chunks of the greatest length, 256 MiB. Credit
/// keeps honest senders far below.
pub const BULK_PAYLOADS_BUFFERED_MAX: usize = 2048;
/// What the loopback takes; a NATS server takes as much by default.
pub const LOOPBACK_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// How long a subscription may take until the bus knows of it.
pub const SUBSCRIBE_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long [`Transport::close`](crate::Transport::close) may take.
pub const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

impl Lane {
    /// Payloads that a subscription of this lane buffers.
    #[must_use]
    pub const fn payloads_buffered_max(self) -> usize {
        match self {
            Self::Control => CONTROL_PAYLOADS_BUFFERED_MAX,
            Self::Calls => CALL_PAYLOADS_BUFFERED_MAX,
            Self::Bulk => BULK_PAYLOADS_BUFFERED_MAX,
        }
    }
}
