//! What waits to go out on the lane of the calls, and how it is packed.
//!
//! A message costs the server and both clients more than the bytes in it, so what has gathered by the
//! time that its turn comes goes out together: requests to one subject, and replies to one caller. With
//! one call at a time there is nothing to gather, and the messages are plain ones.

use std::{collections::VecDeque, mem, sync::Arc};

use async_nats::Subject;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, Semaphore},
    task::yield_now,
};
use wrt_protocol::{
    limits::{PACK_BYTES_MAX, PACK_ENTRIES_MAX, PACK_ENTRY_BYTES_MAX},
    pack::{self, PackEntry},
};

use super::{
    connection::Connection,
    replies::{Answer, Replies},
    reply_to::ReplyTo,
};

/// What the subjects of replies start with. Source: NATS ADR-4 and all its clients.
const INBOX: &str = "_INBOX.";
/// Packs that are filled at a time: operations that are called, or callers that are answered.
const PACKS_OPEN_MAX: usize = 32;

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

    fn take(&self) -> VecDeque<OutgoingMessage> {
        let mut queue = self.lock();
        queue.sending = !queue.waiting.is_empty();
        mem::take(&mut queue.waiting)
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

/// Sends what is put in, for as long as the transport lives.
pub(super) async fn send_outbox(connection: Arc<Connection>, outbox: Arc<Outbox>) {
    let mut in_company = false;
    loop {
        outbox.added.notified().await;
        if in_company || !connection.replies.is_calm() {
            // Whoever was woken together with the first gets to put its own in. After a message that
            // was alone, the next is likely to be too, and goes at once.
            yield_now().await;
        }
        in_company = false;
        loop {
            let taken = outbox.take();
            if taken.is_empty() {
                break;
            }
            let count = taken.len();
            in_company |= count > 1;
            let mut packer = Packer {
                connection: &connection,
                open: Vec::new(),
            };
            for outgoing in taken {
                packer.add(outgoing).await;
            }
            packer.send_all().await;
            outbox.room.add_permits(count);
        }
    }
}

/// Requests to one subject, or replies to one inbox.
struct Pack {
    is_request: bool,
    to: Subject,
    entries: Vec<PackEntry>,
    bytes: usize,
}

struct Packer<'a> {
    connection: &'a Connection,
    open: Vec<Pack>,
}

impl Packer<'_> {
    async fn add(&mut self, outgoing: OutgoingMessage) {
        let (is_request, to, entry) = match outgoing {
            OutgoingMessage::Request(to, entry) => (true, to, entry),
            OutgoingMessage::Reply(to, entry) => (false, to, entry),
            whole @ (OutgoingMessage::Requests(..) | OutgoingMessage::Plain(..)) => {
                self.send_all().await;
                return self.hand_over(whole).await;
            }
        };
        let bytes = entry.payload.len();
        if bytes > PACK_ENTRY_BYTES_MAX {
            // Concurrent calls have no order among themselves, and neither have replies.
            return self.send_one(is_request, to, entry).await;
        }
        let same = |pack: &Pack| pack.is_request == is_request && pack.to == to;
        let at = self.open.iter().position(same);
        if let Some(at) = at {
            let pack = &mut self.open[at];
            if pack.entries.len() < PACK_ENTRIES_MAX && pack.bytes + bytes <= PACK_BYTES_MAX {
                pack.entries.push(entry);
                pack.bytes += bytes;
                return;
            }
            let full = self.open.swap_remove(at);
            self.send(full).await;
        } else if self.open.len() >= PACKS_OPEN_MAX {
            self.send_all().await;
        }
        self.open.push(Pack {
            is_request,
            to,
            entries: vec![entry],
            bytes,
        });
    }

    async fn send_all(&mut self) {
        for pack in mem::take(&mut self.open) {
            self.send(pack).await;
        }
    }

    async fn send(&self, pack: Pack) {
        let Pack {
            is_request,
            to,
            mut entries,
            ..
        } = pack;
        let replies = &self.connection.replies;
        let number = match is_request {
            true => replies.pack(&mut entries),
            false => None,
        };
        let packed = match &*entries {
            [] => return,
            [_] => None,
            // A payload limit below that of a pack is an operator's choice.
            _ => pack::encode(&entries)
                .ok()
                .filter(|packed| packed.len() <= self.connection.client.max_payload()),
        };
        match (packed, number) {
            (None, _) => {
                for entry in entries {
                    self.send_one(is_request, to.clone(), entry).await;
                }
            }
            (Some(packed), Some(number)) => {
                self.hand_over(OutgoingMessage::Requests(to, number, packed))
                    .await;
            }
            (Some(packed), None) => {
                let to = ReplyTo::Packed.subject(&to);
                self.hand_over(OutgoingMessage::Plain(to.into(), packed))
                    .await;
            }
        }
    }

    async fn send_one(&self, is_request: bool, to: Subject, entry: PackEntry) {
        let outgoing = match is_request {
            true => OutgoingMessage::Request(to, entry),
            false => OutgoingMessage::Reply(to, entry),
        };
        self.hand_over(outgoing).await;
    }

    async fn hand_over(&self, outgoing: OutgoingMessage) {
        if let Err(error) = self.connection.send(outgoing).await {
            // Whoever waits for a reply learns it when the connection is taken down, or from its own
            // deadline.
            tracing::debug!(%error, "a message was not sent");
        }
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
