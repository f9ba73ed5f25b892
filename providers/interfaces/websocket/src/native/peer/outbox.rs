//! What goes to a peer.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Sink, SinkExt};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::{PeerOptions, ended::Ended};
use crate::{Closing, Next, Queue};

/// Sends what is queued for a peer, and pings it.
pub(super) struct Outbox<'a, S> {
    pub(super) sink: S,
    pub(super) queue: Arc<Queue>,
    pub(super) options: &'a PeerOptions,
    pub(super) pulse: &'a Pulse,
}

/// When a peer was heard last. One that is not read from, because its messages are not handled yet, cannot be
/// heard, and is not silent.
pub(super) struct Pulse(Mutex<Heard>);

struct Heard {
    at: Instant,
    is_read_from: bool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Heard {
            at: Instant::now(),
            is_read_from: true,
        }))
    }

    pub(super) fn heard(&self) {
        self.0.lock().at = Instant::now();
    }

    pub(super) fn reads(&self, is_read_from: bool) {
        let mut heard = self.0.lock();
        if is_read_from && !heard.is_read_from {
            heard.at = Instant::now();
        }
        heard.is_read_from = is_read_from;
    }

    /// Since when the peer could have been heard and was not.
    fn silent_since(&self) -> Instant {
        let heard = self.0.lock();
        match heard.is_read_from {
            true => heard.at,
            false => Instant::now(),
        }
    }
}

impl<S: Sink<Message, Error = Error> + Unpin> Outbox<'_, S> {
    /// Sends until there is nobody to send to, or nothing more.
    pub(super) async fn run(&mut self) -> Ended {
        let (interval, timeout) = (self.options.ping_interval(), self.options.ping_timeout());
        let mut ping_at = Instant::now() + interval;
        let mut pinged_at = None;
        loop {
            let look_at = pinged_at.map_or(ping_at, |at| at + timeout);
            tokio::select! {
                next = self.queue.next() => {
                    let message = match next {
                        Next::End(closing) => return Ended::Closed(closing),
                        Next::Message { is_text, data } => message(is_text, data),
                    };
                    if let Some(ended) = self.send(message).await {
                        return ended;
                    }
                }
                () = sleep_until(look_at) => match pinged_at.take() {
                    Some(at) if self.pulse.silent_since() <= at => return Ended::Silent,
                    Some(at) => ping_at = at + interval.max(timeout),
                    None => {
                        pinged_at = Some(Instant::now());
                        if let Some(ended) = self.send(Message::Ping(Bytes::new())).await {
                            return ended;
                        }
                    }
                }
            }
        }
    }

    /// Sends, unless the peer's queue is full meanwhile.
    async fn send(&mut self, message: Message) -> Option<Ended> {
        tokio::select! {
            biased;
            closing = self.queue.overrun() => Some(Ended::Closed(closing)),
            sent = self.sink.send(message) => sent.is_err().then_some(Ended::Lost),
        }
    }
}

fn message(is_text: bool, data: Bytes) -> Message {
    match is_text {
        false => Message::Binary(data),
        // It was looked at when it was queued.
        true => match Utf8Bytes::try_from(data) {
            Ok(text) => Message::Text(text),
            Err(_no_text) => Message::Close(None),
        },
    }
}

/// The frame that ends a websocket.
pub(super) fn close_frame(closing: &Closing) -> Message {
    Message::Close(Some(tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: closing.code.into(),
        reason: closing.reason.as_str().into(),
    }))
}
