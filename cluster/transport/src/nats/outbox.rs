//! What waits to go out on the lane of the calls, until it is packed.

use std::{collections::VecDeque, mem};

use async_nats::Subject;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore};
use wrt_protocol::pack::PackEntry;

use super::{
    replies::{Answer, Replies},
    reply_to::ReplyTo,
};

/// What the subjects of replies start with. Source: NATS ADR-4 and all its clients.
const INBOX: &str = "_INBOX.";

/// A message that waits.
#[derive(Debug)]
pub(super) enum OutgoingMessage {
    /// A request, and its slot in the table of those who wait for a reply.
    Request(Subject, PackEntry),
    /// A pack of requests, and its number.
    Requests(Subject, u64, Bytes),
    /// A reply to the slot of somebody's inbox.
    Reply(Subject, PackEntry),
    /// Anything else. Nothing overtakes it: a cancellation comes after its call.
    Plain(Subject, Bytes),
}

impl OutgoingMessage {
    /// What is published to `subject`: a reply, if that is an inbox of ours.
    pub(super) fn published(subject: String, payload: Bytes) -> Self {
        match ReplyTo::parse(&subject) {
            Some((inbox, ReplyTo::Slot(slot))) if inbox.starts_with(INBOX) => {
                Self::Reply(inbox.into(), PackEntry { slot, payload })
            }
            _ => Self::Plain(subject.into(), payload),
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<OutgoingMessage>,
    /// Whether some were taken that are not sent yet.
    sending: bool,
}

/// The queue, at most as long as it has room.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    added: Notify,
    room: Semaphore,
}

impl Outbox {
    pub(super) fn new(messages_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            added: Notify::new(),
            room: Semaphore::new(messages_max),
        }
    }

    /// Whether nothing waits that another message could overtake.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.waiting.is_empty() && !queue.sending
    }

    /// Waits until something was put in since this was last awaited.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// Takes everything that waits, whose room stays taken until [`Self::sent`].
    pub(super) fn take(&self) -> VecDeque<OutgoingMessage> {
        let mut queue = self.lock();
        queue.sending = !queue.waiting.is_empty();
        mem::take(&mut queue.waiting)
    }

    /// Gives back the room of so many messages that were taken.
    pub(super) fn sent(&self, messages: usize) {
        self.room.add_permits(messages);
    }

    /// Puts a message in as soon as there is room.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not in.
    pub(super) async fn put(&self, outgoing: OutgoingMessage) {
        // It is never closed.
        if let Ok(room) = self.room.acquire().await {
            room.forget();
        }
        let mut queue = self.lock();
        queue.waiting.push_back(outgoing);
        let is_first = queue.waiting.len() == 1;
        drop(queue);
        if is_first {
            self.added.notify_one();
        }
    }

    /// Takes the requests back out: the connection is lost. Whoever waits learns that they were not
    /// sent.
    pub(super) fn take_back_requests(&self, replies: &Replies) {
        let mut queue = self.lock();
        let mut slots = Vec::new();
        queue.waiting.retain(|outgoing| match outgoing {
            OutgoingMessage::Request(_, entry) => {
                slots.push(entry.slot);
                false
            }
            _ => true,
        });
        drop(queue);
        self.room.add_permits(slots.len());
        replies.end(slots.into_iter().map(|slot| (slot, Answer::NotSent)));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn requests_that_are_taken_back_were_not_sent_and_leave_their_room() {
        let (outbox, replies) = (Outbox::new(8), Replies::new("_INBOX.x".to_owned()));
        let tickets: Vec<_> = (0..5).map(|_| replies.ticket()).collect();
        let payload = Bytes::from_static(b"x");
        for ticket in &tickets {
            let (slot, payload) = (ticket.slot(), payload.clone());
            let entry = PackEntry { slot, payload };
            outbox
                .put(OutgoingMessage::Request("a".into(), entry))
                .await;
        }
        outbox
            .put(OutgoingMessage::Plain("b".into(), payload))
            .await;
        assert_eq!(outbox.room.available_permits(), 2);
        outbox.take_back_requests(&replies);
        assert_eq!(outbox.room.available_permits(), 7);
        for ticket in tickets {
            let answer = ticket.answer().now_or_never();
            assert!(matches!(answer, Some(Some(Answer::NotSent))), "{answer:?}");
        }
        assert!(!outbox.is_idle());
        assert!(matches!(
            &outbox.take().make_contiguous(),
            [OutgoingMessage::Plain(..)]
        ));
        assert_eq!(replies.waiting(), 0);
    }
}
