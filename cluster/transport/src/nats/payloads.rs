//! What a subscription over NATS receives.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use async_nats::{Message, Subscriber};
use futures::{Stream, StreamExt};
use tokio::task::coop::has_budget_remaining;
use tokio_util::sync::WaitForCancellationFutureOwned;
use wrt_protocol::pack::{self, PackEntry};

use super::{refusals::Watched, reply_to::ReplyTo};
use crate::{Inbound, ReplySubject};

/// Payloads until the transport is closed or the server takes the subscription back. The client
/// itself would go on waiting in both cases.
pub(super) struct Payloads {
    subscriber: Subscriber,
    /// The rest of a pack.
    unpacked: VecDeque<Inbound>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Looks out for a refusal for as long as the subscription lives.
    _watched: Watched,
}

impl Payloads {
    pub(super) fn new(subscriber: Subscriber, watched: Watched) -> Self {
        Self {
            subscriber,
            unpacked: VecDeque::new(),
            ended: Box::pin(watched.ended.clone().cancelled_owned()),
            _watched: watched,
        }
    }
}

impl Stream for Payloads {
    type Item = Inbound;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        if !has_budget_remaining() {
            // The rest of a pack takes nothing of it, and a pack must not hold up who else runs here.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(inbound) = self.unpacked.pop_front() {
                return Poll::Ready(Some(inbound));
            }
            match self.subscriber.poll_next_unpin(cx) {
                Poll::Ready(Some(message)) => match unpack(message) {
                    Ok(unpacked) => self.unpacked = unpacked,
                    Err(inbound) => return Poll::Ready(Some(inbound)),
                },
                Poll::Ready(None) => return Poll::Ready(None),
                // Only when there is nothing to take: it costs a lock.
                Poll::Pending => return self.ended.as_mut().poll(cx).map(|()| None),
            }
        }
    }
}

/// The requests in a pack, or the message as it is. A pack that cannot be read is handed on like any
/// other message: whoever reads it refuses it, and the refusal goes to all that sent it.
fn unpack(message: Message) -> Result<VecDeque<Inbound>, Inbound> {
    let packed = match message.reply.as_deref().and_then(ReplyTo::parse) {
        Some((inbox, ReplyTo::Pack(_))) => pack::decode(&message.payload).ok().map(|e| (inbox, e)),
        _ => None,
    };
    let Some((inbox, entries)) = packed else {
        return Err(Inbound {
            subject: message.subject.into_string(),
            reply: message
                .reply
                .map(|subject| ReplySubject(subject.into_string())),
            payload: message.payload,
        });
    };
    let inbound = |PackEntry { slot, payload }| Inbound {
        subject: message.subject.to_string(),
        reply: Some(ReplySubject(ReplyTo::Slot(slot).subject(inbox))),
        payload,
    };
    Ok(entries.into_iter().map(inbound).collect())
}
