//! What a subscription over NATS receives.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_nats::{Message, Subscriber};
use futures::{Stream, StreamExt};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::refusals::Watched;
use crate::{Inbound, ReplySubject};

/// Payloads until the transport is closed or the server takes the subscription back. The client
/// itself would go on waiting in both cases.
pub(super) struct Payloads {
    subscriber: Subscriber,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Looks out for a refusal for as long as the subscription lives.
    _watched: Watched,
}

impl Payloads {
    pub(super) fn new(subscriber: Subscriber, watched: Watched) -> Self {
        Self {
            subscriber,
            ended: Box::pin(watched.ended.clone().cancelled_owned()),
            _watched: watched,
        }
    }
}

impl Stream for Payloads {
    type Item = Inbound;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        // Only when there is nothing to take: it costs a lock.
        match self.subscriber.poll_next_unpin(cx) {
            Poll::Pending => self.ended.as_mut().poll(cx).map(|()| None),
            Poll::Ready(message) => Poll::Ready(message.map(inbound)),
        }
    }
}

fn inbound(message: Message) -> Inbound {
    Inbound {
        subject: message.subject.into_string(),
        reply: message
            .reply
            .map(|subject| ReplySubject(subject.into_string())),
        payload: message.payload,
    }
}
