//! What a subscription over NATS receives.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_nats::{Message, Subscriber};
use futures::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{Inbound, ReplySubject};

/// Payloads until the transport is closed, also while the server is away and the client itself
/// would go on trying.
pub(super) struct Payloads {
    subscriber: Subscriber,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Payloads {
    pub(super) fn new(subscriber: Subscriber, closed: CancellationToken) -> Self {
        Self {
            subscriber,
            closed: Box::pin(closed.cancelled_owned()),
        }
    }
}

impl Stream for Payloads {
    type Item = Inbound;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        // Only when there is nothing to take: it costs a lock.
        match self.subscriber.poll_next_unpin(cx) {
            Poll::Pending => self.closed.as_mut().poll(cx).map(|()| None),
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
