//! Requests that wait for their reply, on one connection.
//!
//! `async-nats` has such a table of its own, and it is not used: it forgets a request only when its
//! reply arrives. Each call that ended by its deadline would stay in it for ever, and none would end
//! when the connection is lost.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_nats::{Message, StatusCode};
use bytes::Bytes;
use tokio::sync::oneshot;

/// What came back.
#[derive(Debug)]
pub(super) enum Answer {
    /// Somebody's reply.
    Reply(Bytes),
    /// The server's: nobody subscribes.
    NoResponders,
}

#[derive(Debug, Default)]
struct Waiting {
    last_token: u64,
    by_token: HashMap<u64, oneshot::Sender<Answer>>,
}

/// The table. Its lock is held for one look-up.
#[derive(Debug)]
pub(super) struct Replies {
    prefix: String,
    waiting: Mutex<Waiting>,
}

impl Replies {
    /// A table of replies that arrive at subjects under `inbox`.
    pub(super) fn new(inbox: &str) -> Self {
        Self {
            prefix: format!("{inbox}."),
            waiting: Mutex::default(),
        }
    }

    /// What to subscribe to.
    pub(super) fn subject(&self) -> String {
        format!("{}*", self.prefix)
    }

    /// A place in the table, kept until it is dropped.
    pub(super) fn ticket(&self) -> Ticket<'_> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.last_token += 1;
        let token = waiting.last_token;
        waiting.by_token.insert(token, sender);
        Ticket {
            replies: self,
            token,
            answer,
            ended: false,
        }
    }

    /// Hands a message to whoever waits for it; too late is no error.
    pub(super) fn take(&self, message: Message) {
        let token = message.subject.strip_prefix(self.prefix.as_str());
        let Some(token) = token.and_then(|token| token.parse().ok()) else {
            return;
        };
        let sender = self.lock().by_token.remove(&token);
        if let Some(sender) = sender {
            let answer = match message.status {
                Some(StatusCode::NO_RESPONDERS) => Answer::NoResponders,
                _ => Answer::Reply(message.payload),
            };
            // The request may have been given up between the two lines.
            let _ = sender.send(answer);
        }
    }

    /// Ends every wait: the connection is lost.
    pub(super) fn end_all(&self) {
        let ended = std::mem::take(&mut self.lock().by_token);
        // Dropped outside the lock: each wakes a task.
        drop(ended);
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().by_token.len()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the table of [`Replies`].
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    replies: &'a Replies,
    token: u64,
    answer: oneshot::Receiver<Answer>,
    /// Whether the table has let go of it.
    ended: bool,
}

impl Ticket<'_> {
    /// Where the reply goes.
    pub(super) fn reply_subject(&self) -> String {
        const TOKEN_BYTES_MAX: usize = 20;
        let prefix = &self.replies.prefix;
        let mut subject = String::with_capacity(prefix.len() + TOKEN_BYTES_MAX);
        let _infallible = write!(subject, "{prefix}{}", self.token);
        subject
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
            self.replies.lock().by_token.remove(&self.token);
        }
    }
}
