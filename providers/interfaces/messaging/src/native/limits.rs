//! Every limit of the interface. Topics check themselves, and so do messages: [`Message::check`].
//!
//! [`Message::check`]: crate::Message::check

use std::{ops::RangeInclusive, time::Duration};

use wrt_protocol::limits::BUDGET_MAX;

/// A topic.
pub const TOPIC_BYTES_MAX: usize = 256;
/// A message's data. A provider whose service takes less says so with the same error.
pub const DATA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Data that every provider takes, whatever its service.
pub const DATA_BYTES_PORTABLE: usize = 900_000;
/// Entries of a message's metadata.
pub const METADATA_ENTRIES_MAX: usize = 128;
/// Names and values of a message's metadata, together with its content type.
pub const METADATA_BYTES_MAX: usize = 32 * 1024;
/// Replies that a request waits for.
pub const REPLIES_MAX: usize = 1024;
/// Their data, together: a request is answered with what has come when the next would be over it.
pub const REPLIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// So long before its call's deadline a request answers with what it has.
pub const REPLY_MARGIN: Duration = Duration::from_millis(100);
/// Messages that one instance holds as resources.
pub const MESSAGE_HANDLES_MAX: usize = 4096;
/// Their bytes, which lie outside of the guest's own memory: room for what comes in, for all replies to a
/// request, and for as much again.
pub const MESSAGE_BYTES_HELD_MAX: usize = 96 * 1024 * 1024;
/// Text of an error that a service or a guest gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;
/// Topics of one subscription.
pub const SUBSCRIBED_TOPICS_MAX: usize = 64;

/// In order by key, messages from the first that is not done with to the last that was taken: so many may
/// overtake a key that pauses.
pub const ORDERED_AHEAD_MAX: usize = 4096;
/// Their bytes.
pub const ORDERED_AHEAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// `in_hand_max`.
pub const IN_HAND: RangeInclusive<u64> = 1..=4096;
/// `attempts_max`.
pub const ATTEMPTS: RangeInclusive<u64> = 1..=1000;
/// `handler_timeout_ms`.
pub const HANDLER_TIMEOUT_MS: RangeInclusive<u64> = 1..=BUDGET_MAX.as_millis() as u64;
