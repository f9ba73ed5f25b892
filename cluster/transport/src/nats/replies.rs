//! Requests that wait for their reply, on one connection.
//!
//! `async-nats` has such a table of its own, and it is not used: it forgets a request only when its
//! reply arrives. Each call that ended by its deadline would stay in it for ever, and none would end
//! when the connection is lost.

use std::collections::HashMap;

use async_nats::{Message, StatusCode, Subject};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use wrt_protocol::pack::{self, PackEntry};

use super::reply_to::ReplyTo;

/// What came back.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Somebody's reply.
    Reply(Bytes),
    /// The server's: nobody subscribes.
    NoResponders,
    /// The connection was lost before the request was handed to it.
    NotSent,
    /// The server's permissions do not allow the request.
    NotPermitted,
}

#[derive(Debug, Default)]
struct Waiting {
    last_slot: u64,
    by_slot: HashMap<u64, Place>,
}

#[derive(Debug)]
struct Place {
    sender: oneshot::Sender<Answer>,
    /// Where its request went.
    subject: Subject,
    /// The pack in which its request went out.
    pack: Option<u64>,
}

/// The table. Its lock is held for one look-up, or for those of a pack.
#[derive(Debug)]
pub(super) struct Replies {
    inbox: String,
    waiting: Mutex<Waiting>,
}

impl Replies {
    /// A table of replies that arrive at subjects under `inbox`.
    pub(super) fn new(inbox: String) -> Self {
        Self {
            inbox,
            waiting: Mutex::default(),
        }
    }

    /// What to subscribe to.
    pub(super) fn subject(&self) -> String {
        format!("{}.*", self.inbox)
    }

    /// The subject at which this connection takes what `to` names.
    pub(super) fn subject_of(&self, to: ReplyTo) -> String {
        to.subject(&self.inbox)
    }

    /// A place in the table for a request to `subject`, kept until it is dropped.
    pub(super) fn ticket(&self, subject: Subject) -> Ticket<'_> {
        self.ticket_for(|_slot| subject)
    }

    /// The same for a message to this connection itself.
    pub(super) fn round_trip(&self) -> Ticket<'_> {
        self.ticket_for(|slot| self.subject_of(ReplyTo::Slot(slot)).into())
    }

    fn ticket_for(&self, subject: impl FnOnce(u64) -> Subject) -> Ticket<'_> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.last_slot += 1;
        let slot = waiting.last_slot;
        let place = Place {
            sender,
            subject: subject(slot),
            pack: None,
        };
        waiting.by_slot.insert(slot, place);
        Ticket {
            replies: self,
            slot,
            answer,
            ended: false,
        }
    }

    /// Forgets the requests in `entries` that nobody waits for any longer, and notes that the others
    /// go out in one pack: its number, which is the slot of one of them.
    pub(super) fn pack(&self, entries: &mut Vec<PackEntry>) -> Option<u64> {
        let mut waiting = self.lock();
        entries.retain(|entry| waiting.by_slot.contains_key(&entry.slot));
        let pack = entries.first()?.slot;
        for entry in entries {
            if let Some(place) = waiting.by_slot.get_mut(&entry.slot) {
                place.pack = Some(pack);
            }
        }
        Some(pack)
    }

    /// Hands a message to whoever waits for it; too late is no error. False when it is no message
    /// for this table.
    pub(super) fn take(&self, message: Message) -> bool {
        let Some((inbox, to)) = ReplyTo::parse(&message.subject) else {
            return false;
        };
        if inbox != self.inbox {
            return false;
        }
        let answer = match message.status {
            Some(StatusCode::NO_RESPONDERS) => Answer::NoResponders,
            _ => Answer::Reply(message.payload),
        };
        match (to, answer) {
            (ReplyTo::Slot(slot), answer) => self.end([(slot, answer)]),
            (ReplyTo::Pack(pack), answer) => self.end_pack(pack, &answer),
            (ReplyTo::Packed, Answer::Reply(payload)) => match pack::decode(&payload) {
                Ok(entries) => self.end(entries.into_iter().map(|entry| {
                    let PackEntry { slot, payload } = entry;
                    (slot, Answer::Reply(payload))
                })),
                Err(_) => return false,
            },
            (ReplyTo::Packed, _) => return false,
        }
        true
    }

    /// Ends some waits.
    pub(super) fn end(&self, answers: impl IntoIterator<Item = (u64, Answer)>) {
        let mut waiting = self.lock();
        let ended = answers.into_iter().filter_map(|(slot, answer)| {
            let place = waiting.by_slot.remove(&slot)?;
            Some((place.sender, answer))
        });
        let ended: Vec<_> = ended.collect();
        // Outside the lock: each wakes a task. It may have given up in between.
        drop(waiting);
        for (sender, answer) in ended {
            let _ = sender.send(answer);
        }
    }

    /// Ends the waits for all that went out in one pack: nobody got it, or could read it.
    fn end_pack(&self, pack: u64, answer: &Answer) {
        self.end_all_that(|place| place.pack == Some(pack), answer);
    }

    /// Ends the waits for all that went to a subject to which this client may not publish.
    pub(super) fn end_refused(&self, subject: &str) {
        self.end_all_that(|place| *place.subject == *subject, &Answer::NotPermitted);
    }

    /// Looks at each request that waits, which is fine for what happens when a node goes, or is not permitted.
    fn end_all_that(&self, is_it: impl Fn(&Place) -> bool, answer: &Answer) {
        let slots = {
            let waiting = self.lock();
            let places = waiting.by_slot.iter().filter(|(_, place)| is_it(place));
            places.map(|(slot, _)| *slot).collect::<Vec<_>>()
        };
        self.end(slots.into_iter().map(|slot| (slot, answer.clone())));
    }

    /// Ends every wait: the connection is lost.
    pub(super) fn end_all(&self) {
        let ended = std::mem::take(&mut self.lock().by_slot);
        // Dropped outside the lock: each wakes a task.
        drop(ended);
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().by_slot.len()
    }

    /// Whether no more than one request waits.
    pub(super) fn is_calm(&self) -> bool {
        self.waiting() <= 1
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

/// A place in the table of [`Replies`].
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    replies: &'a Replies,
    slot: u64,
    answer: oneshot::Receiver<Answer>,
    /// Whether the table has let go of it.
    ended: bool,
}

impl Ticket<'_> {
    /// Its number in the table.
    pub(super) fn slot(&self) -> u64 {
        self.slot
    }

    /// Waits; `None` when the connection was lost.
    pub(super) async fn answer(mut self) -> Option<Answer> {
        let answer = (&mut self.answer).await.ok();
        self.ended = true;
        answer
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.replies.lock().by_slot.remove(&self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_left_out_of_a_pack() {
        let replies = Replies::new("_INBOX.x".to_owned());
        let mut tickets: Vec<_> = (0..4).map(|_| replies.ticket("a".into())).collect();
        let payload = Bytes::new();
        let entry = |ticket: &Ticket<'_>| (ticket.slot(), payload.clone());
        let entries = tickets.iter().map(entry);
        let mut entries: Vec<_> = entries
            .map(|(slot, payload)| PackEntry { slot, payload })
            .collect();
        drop(tickets.remove(0));
        drop(tickets.remove(1));
        let pack = replies.pack(&mut entries);
        let left: Vec<_> = entries.iter().map(|entry| entry.slot).collect();
        let waiting: Vec<_> = tickets.iter().map(Ticket::slot).collect();
        assert_eq!((&left, pack), (&waiting, Some(waiting[0])));
        tickets.clear();
        assert_eq!(replies.pack(&mut entries), None);
        assert!(entries.is_empty());
    }

    #[tokio::test]
    async fn what_is_not_permitted_ends_and_nothing_else() {
        let replies = Replies::new("_INBOX.x".to_owned());
        let refused = replies.ticket("a.b".into());
        let (_other, _longer) = (replies.ticket("a".into()), replies.ticket("a.b.c".into()));
        replies.end_refused("a.b");
        assert!(matches!(refused.answer().await, Some(Answer::NotPermitted)));
        assert_eq!(replies.waiting(), 2);
    }
}
