//! What the manifest says of a route that is a websocket.

use std::{ops::RangeInclusive, time::Duration};

use serde::Deserialize;
use wrt_protocol::Name;
use wrt_websocket::{
    QueueLimits,
    limits::{MESSAGE_BYTES, QUEUE_BYTES, QUEUE_MESSAGES, TIMES_MS},
};

/// A route's own settings: `websocket = {}` takes the default of each. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSocketOptions {
    /// The component's link that leads back to this provider.
    pub link: Name,
    /// Pages of which origins may connect, as browsers name them: `https://shop.example`; `*` is any.
    /// Without it only pages of the host that the request names. Who is no browser names none, and may.
    pub origins: Option<Vec<String>>,
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

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            link: Name::new("default").expect("a legal name"),
            origins: None,
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

impl WebSocketOptions {
    /// # Errors
    /// The first that makes no sense, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
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
        let is_origin = |origin: &&String| {
            let has_host = |rest: &str| !rest.is_empty() && !rest.contains('/');
            *origin == "*"
                || origin
                    .split_once("://")
                    .is_some_and(|(_, rest)| has_host(rest))
        };
        let mut origins = self.origins.iter().flatten();
        match origins.find(|origin| !is_origin(origin)) {
            Some(origin) => Err(format!(
                "{origin:?} is no origin: write `https://shop.example`, without a path, or `*`"
            )),
            None => Ok(()),
        }
    }

    /// What may wait for a peer.
    pub(crate) fn queue(&self) -> QueueLimits {
        QueueLimits {
            messages_max: size(self.queue_messages_max),
            bytes_max: size(self.queue_bytes_max),
        }
    }

    pub(crate) fn message_bytes_max(&self) -> usize {
        size(self.message_bytes_max)
    }

    pub(crate) fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms)
    }

    pub(crate) fn ping_timeout(&self) -> Duration {
        Duration::from_millis(self.ping_timeout_ms)
    }

    pub(crate) fn handler_timeout(&self) -> Duration {
        Duration::from_millis(self.handler_timeout_ms)
    }

    pub(crate) fn handler_patience(&self) -> Duration {
        Duration::from_millis(self.handler_patience_ms)
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_enough_and_what_is_wrong_is_named() {
        let read = |text: &str| toml::from_str::<WebSocketOptions>(text);
        let default = read("").expect("each has a default");
        assert_eq!(default, WebSocketOptions::default());
        assert_eq!(default.check(), Ok(()));
        assert!(read("origin = \"*\"").is_err(), "a slip of the pen");
        assert!(read("link = \"A b\"").is_err());
        for (text, named) in [
            ("message_bytes_max = 0", "message_bytes_max"),
            ("message_bytes_max = 16777217", "message_bytes_max"),
            ("queue_messages_max = 0", "queue_messages_max"),
            ("ping_timeout_ms = 0", "ping_timeout_ms"),
            ("origins = [\"shop.example\"]", "shop.example"),
            ("origins = [\"https://shop.example/\"]", "shop.example"),
        ] {
            let told = read(text).expect("it is read").check().unwrap_err();
            assert!(told.contains(named), "{text}: {told}");
        }
        let any = read("origins = [\"*\", \"http://a.test:8080\"]");
        assert_eq!(any.expect("it is read").check(), Ok(()));
    }
}
