//! What comes from a peer.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
};

use super::{calls::Calls, ended::Ended, outbox::Pulse};
use crate::{Closing, count};

/// How long a handler may take before what follows its message is looked at. A peer that sends a question, and
/// its end right behind it, gets its answer: once the end is read nothing more may be sent.
const READ_AHEAD_AFTER: Duration = Duration::from_secs(1);

/// The messages of one peer, in their order: one in hand, and behind one that takes its time another one read
/// ahead, so that what is no message (an answer to a ping, an end) is seen meanwhile.
pub(super) struct Inbox<'a, S> {
    pub(super) stream: S,
    pub(super) calls: &'a Calls,
    pub(super) pulse: &'a Pulse,
    ahead: Option<(bool, Bytes)>,
    in_hand: Option<InHand>,
}

/// A message that the handler has.
struct InHand {
    call: BoxFuture<'static, Option<()>>,
    since: Instant,
}

impl<'a, S: Stream<Item = Result<Message, Error>> + Unpin> Inbox<'a, S> {
    pub(super) fn new(stream: S, calls: &'a Calls, pulse: &'a Pulse) -> Self {
        Self {
            stream,
            calls,
            pulse,
            ahead: None,
            in_hand: None,
        }
    }

    /// Reads and hands over until the peer, or its handler, has come to an end. What is in hand then is not
    /// over yet.
    ///
    /// It is polled behind the [`Outbox`](super::outbox::Outbox) of the same peer, and lets that go first when a
    /// message has been handled.
    ///
    /// # Cancel safety
    /// Nothing is lost by a future that is dropped; another one goes on.
    pub(super) async fn run(&mut self) -> Ended {
        loop {
            if self.in_hand.is_none()
                && let Some((is_text, data)) = self.ahead.take()
            {
                self.in_hand = Some(InHand {
                    call: self.calls.clone().receive(is_text, data).boxed(),
                    since: Instant::now(),
                });
            }
            let reads_at = self.reads_at();
            let is_reading = reads_at.is_some_and(|at| at <= Instant::now());
            self.pulse.reads(is_reading);
            let handled = async {
                match &mut self.in_hand {
                    Some(in_hand) => in_hand.call.as_mut().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                handled = handled => {
                    self.in_hand = None;
                    if handled.is_none() {
                        return Ended::Closed(Closing::new(1013, "the service is away"));
                    }
                    // What it has answered is sent, as far as the peer takes it.
                    yield_now().await;
                }
                () = at(reads_at), if !is_reading => {}
                frame = self.stream.next(), if is_reading => {
                    self.pulse.heard();
                    if let Some(ended) = self.take(frame) {
                        return ended;
                    }
                }
            }
        }
    }

    /// From when on the next frame may be read; none while there is no room for what may be in it.
    fn reads_at(&self) -> Option<Instant> {
        match (&self.ahead, &self.in_hand) {
            (Some(_), _) => None,
            (None, Some(in_hand)) => Some(in_hand.since + READ_AHEAD_AFTER),
            (None, None) => Some(Instant::now()),
        }
    }

    fn take(&mut self, frame: Option<Result<Message, Error>>) -> Option<Ended> {
        match frame {
            Some(Ok(Message::Text(text))) => self.ahead = Some((true, text.into())),
            Some(Ok(Message::Binary(data))) => self.ahead = Some((false, data)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let closing = frame.map_or_else(
                    || Closing::new(1005, ""),
                    |frame| Closing::new(frame.code.into(), &frame.reason),
                );
                return Some(Ended::Left(closing));
            }
            Some(Err(error)) => return Some(self.failed(&error)),
            None => return Some(Ended::Lost),
        }
        None
    }

    /// What the peer is told of what it has done wrong.
    fn failed(&self, error: &Error) -> Ended {
        let (code, reason) = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => (1009, "too large"),
            Error::Utf8(_) => (1007, "text that is not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Ended::Lost,
            Error::Capacity(_) | Error::Protocol(_) => (1002, "the protocol is broken"),
            _ => return Ended::Lost,
        };
        tracing::debug!(peer = &*self.calls.peer, %error, "a peer is at fault");
        count(&self.calls.counter.at_fault);
        Ended::Closed(Closing::new(code, reason))
    }
}

impl<S> Inbox<'_, S> {
    /// What is left when the peer is at its end: where it may still be read from, and what is in hand. What
    /// was read ahead is handed to nobody.
    pub(super) fn into_parts(self) -> (S, Option<BoxFuture<'static, Option<()>>>) {
        if self.ahead.is_some() {
            count(&self.calls.counter.messages_given_up);
        }
        (self.stream, self.in_hand.map(|in_hand| in_hand.call))
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
