//! What the manifest says of the peers of a route.

use std::{ops::RangeInclusive, time::Duration};

use serde::Deserialize;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::{
    QueueLimits,
    limits::{MESSAGE_BYTES, QUEUE_BYTES, QUEUE_MESSAGES, TIMES_MS},
};

/// Of each direction; what is larger is had for as long as it passes. Most peers are idle, for days.
const BUFFER_BYTES: usize = 4 * 1024;

/// How peers are served: an empty table takes the default of each. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerOptions {
    /// A message of a peer; a larger one closes it with 1009.
    pub message_bytes_max: u64,
    /// Messages that wait for a peer; one more closes it with 1013.
    pub queue_messages_max: u64,
    /// Their bytes.
    pub queue_bytes_max: u64,
    /// Time between two pings.
    pub ping_interval_ms: u64,
    /// How long a peer may be silent after one.
    pub ping_timeout_ms: u64,
    /// What the component may take for each call.
    pub handler_timeout_ms: u64,
    /// How long a call that was not executed is made again.
    pub handler_patience_ms: u64,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 1024 * 1024,
            queue_messages_max: 256,
            queue_bytes_max: 4 * 1024 * 1024,
            ping_interval_ms: 30_000,
            ping_timeout_ms: 30_000,
            handler_timeout_ms: 10_000,
            handler_patience_ms: 30_000,
        }
    }
}

impl PeerOptions {
    /// # Errors
    /// The first that makes no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        let numbers: [(&str, u64, RangeInclusive<u64>); 7] = [
            ("message_bytes_max", self.message_bytes_max, MESSAGE_BYTES),
            (
                "queue_messages_max",
                self.queue_messages_max,
                QUEUE_MESSAGES,
            ),
            ("queue_bytes_max", self.queue_bytes_max, QUEUE_BYTES),
            ("ping_interval_ms", self.ping_interval_ms, TIMES_MS),
            ("ping_timeout_ms", self.ping_timeout_ms, TIMES_MS),
            ("handler_timeout_ms", self.handler_timeout_ms, TIMES_MS),
            ("handler_patience_ms", self.handler_patience_ms, TIMES_MS),
        ];
        for (name, number, range) in numbers {
            if !range.contains(&number) {
                let (least, most) = range.into_inner();
                return Err(format!(
                    "`{name}` is {number}, and goes from {least} to {most}"
                ));
            }
        }
        Ok(())
    }

    /// What may wait for a peer.
    #[must_use]
    pub fn queue(&self) -> QueueLimits {
        QueueLimits {
            messages_max: size(self.queue_messages_max),
            bytes_max: size(self.queue_bytes_max),
        }
    }

    /// What a peer's socket keeps.
    #[must_use]
    pub fn socket(&self) -> WebSocketConfig {
        let bytes_max = Some(size(self.message_bytes_max));
        WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_message_size(bytes_max)
            .max_frame_size(bytes_max)
    }

    /// What the component may take for each call.
    #[must_use]
    pub fn handler_timeout(&self) -> Duration {
        Duration::from_millis(self.handler_timeout_ms)
    }

    pub(super) fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms)
    }

    pub(super) fn ping_timeout(&self) -> Duration {
        Duration::from_millis(self.ping_timeout_ms)
    }

    pub(super) fn handler_patience(&self) -> Duration {
        Duration::from_millis(self.handler_patience_ms)
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
