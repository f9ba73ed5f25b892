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
    /// Whether somebody has taken some and not sent them yet.
    sending: bool,
}

/// The queue, at most as long as it has room.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    added: Notify,
    told: Notify,
    room: Semaphore,
}

impl Outbox {
    pub(super) fn new(messages_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            added: Notify::new(),
            told: Notify::new(),
            room: Semaphore::new(messages_max),
        }
    }

    /// Whether nothing waits that another message could overtake.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.waiting.is_empty() && !queue.sending
    }

    /// Wakes who waits to be told, if something waits here and nobody has come for it yet.
    pub(super) fn tell_if_left_alone(&self) {
        let queue = self.lock();
        let is_left_alone = !queue.waiting.is_empty() && !queue.sending;
        drop(queue);
        if is_left_alone {
            self.told.notify_one();
        }
    }

    /// Waits until it is told to send what waits.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Waits until something was put in since this was last awaited.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// Takes everything that waits, whose room stays taken until [`Self::sent`]. None when nothing waits,
    /// or another one sends: that one comes for more, and nothing overtakes what it has.
    pub(super) fn take(&self) -> Option<VecDeque<OutgoingMessage>> {
        let mut queue = self.lock();
        if queue.sending || queue.waiting.is_empty() {
            return None;
        }
        queue.sending = true;
        Some(mem::take(&mut queue.waiting))
    }

    /// Gives back the room of so many messages that were taken.
    pub(super) fn sent(&self, messages: usize) {
        self.lock().sending = false;
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
        let tickets: Vec<_> = (0..5).map(|_| replies.ticket("a".into())).collect();
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
        let mut taken = outbox.take().expect("one is left");
        assert!(matches!(
            taken.make_contiguous(),
            [OutgoingMessage::Plain(..)]
        ));
        assert_eq!(replies.waiting(), 0);
    }

    #[tokio::test]
    async fn one_sends_at_a_time() {
        let outbox = Outbox::new(8);
        let put = || outbox.put(OutgoingMessage::Plain("b".into(), Bytes::new()));
        put().await;
        outbox.tell_if_left_alone();
        assert!(outbox.told().now_or_never().is_some());
        assert_eq!(outbox.take().map(|taken| taken.len()), Some(1));
        put().await;
        outbox.tell_if_left_alone();
        assert!(outbox.told().now_or_never().is_none());
        assert!(outbox.take().is_none());
        outbox.sent(1);
        assert_eq!(outbox.take().map(|taken| taken.len()), Some(1));
        outbox.sent(1);
        assert!(outbox.is_idle() && outbox.take().is_none());
        assert_eq!(outbox.room.available_permits(), 8);
    }
}
