//! Every limit of the interface; those of a route are its own, within these.

use std::{ops::RangeInclusive, time::Duration};

use wrt_protocol::limits::BUDGET_MAX;

/// A message, of a peer or to one.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Peers of one `send`.
pub const RECEIVERS_MAX: usize = 10_000;
/// The id of a peer, as a text.
pub const PEER_ID_BYTES_MAX: usize = 256;
/// The reason of a closing: what a control frame has room for behind the code.
pub const REASON_BYTES_MAX: usize = 123;
/// What a connection is asked for with: a URL, and the header of its request.
pub const CONNECTING_BYTES_MAX: usize = 65_536;
/// Fields and subprotocols of that.
pub const CONNECTING_FIELDS_MAX: usize = 100;
/// What a peer may take to answer a closing, and to take what goes before it.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// `message_bytes_max`.
pub const MESSAGE_BYTES: RangeInclusive<u64> = 1..=MESSAGE_BYTES_MAX as u64;
/// `queue_messages_max`.
pub const QUEUE_MESSAGES: RangeInclusive<u64> = 1..=65_536;
/// `queue_bytes_max`. One message fits always, whatever its size.
pub const QUEUE_BYTES: RangeInclusive<u64> = 1..=1024 * 1024 * 1024;
/// Times of a route, in milliseconds.
pub const TIMES_MS: RangeInclusive<u64> = 1..=BUDGET_MAX.as_millis() as u64;
