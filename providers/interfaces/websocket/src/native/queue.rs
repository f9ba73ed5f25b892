//! What waits to be sent to one peer.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::counts::count;
use crate::{Closing, Kind, PeerCounter};

/// How much may wait for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages.
    pub messages_max: usize,
    /// Their bytes; a message that is alone may have more.
    pub bytes_max: usize,
}

/// What comes next for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A message: text, or else bytes.
    Message {
        /// Whether it is text.
        is_text: bool,
        /// All of it.
        data: Bytes,
    },
    /// The end of the websocket.
    End(Closing),
}

/// A peer's own queue. Whoever puts something in never waits; one who finds no room ends the peer.
#[derive(Debug)]
pub struct Queue {
    limits: QueueLimits,
    counter: Arc<PeerCounter>,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<(bool, Bytes)>,
    bytes: usize,
    /// What ends it, behind the messages.
    end: Option<Closing>,
    is_overrun: bool,
    /// Nobody takes anything out any more.
    is_gone: bool,
}

const OVERRUN: &str = "too slow: its queue is full";

impl Queue {
    pub(crate) fn new(limits: QueueLimits, counter: Arc<PeerCounter>) -> Self {
        Self {
            limits,
            counter,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Puts something in; whether the peer is there to get it.
    #[must_use]
    pub fn put(&self, kind: &Kind, data: &Bytes) -> bool {
        let is_queued = self.put_quietly(kind, data);
        self.changed.notify_one();
        is_queued
    }

    fn put_quietly(&self, kind: &Kind, data: &Bytes) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.is_gone || waiting.end.is_some() {
            return false;
        }
        let is_text = match kind {
            Kind::Close(closing) => {
                waiting.end = Some(closing.clone());
                return true;
            }
            Kind::Text => true,
            Kind::Binary => false,
        };
        let bytes = waiting.bytes + data.len();
        let has_room = waiting.messages.len() < self.limits.messages_max
            && (bytes <= self.limits.bytes_max || waiting.messages.is_empty());
        if !has_room {
            count(&self.counter.overrun);
            waiting.is_overrun = true;
            waiting.end = Some(Closing::new(1013, OVERRUN));
            self.drop_messages(&mut waiting);
            return false;
        }
        waiting.bytes = bytes;
        waiting.messages.push_back((is_text, data.clone()));
        count(&self.counter.messages_queued);
        true
    }

    fn drop_messages(&self, waiting: &mut Waiting) {
        for _dropped in waiting.messages.drain(..) {
            count(&self.counter.messages_dropped);
        }
        waiting.bytes = 0;
    }

    /// What comes next, as soon as there is something. One takes from it at a time.
    ///
    /// # Cancel safety
    /// Nothing is taken out by a future that is dropped.
    pub async fn next(&self) -> Next {
        loop {
            let changed = self.changed.notified();
            if let Some(next) = self.take() {
                return next;
            }
            changed.await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut waiting = self.waiting.lock();
        let Some((is_text, data)) = waiting.messages.pop_front() else {
            return waiting.end.clone().map(Next::End);
        };
        waiting.bytes -= data.len();
        Some(Next::Message { is_text, data })
    }

    /// Waits until there was no room: what is being sent then is not waited for.
    pub async fn overrun(&self) -> Closing {
        loop {
            let changed = self.changed.notified();
            {
                let waiting = self.waiting.lock();
                if let Some(end) = waiting.end.as_ref().filter(|_| waiting.is_overrun) {
                    return end.clone();
                }
            }
            changed.await;
        }
    }

    /// Takes nothing more, and drops what is there.
    pub fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_gone = true;
        self.drop_messages(&mut waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits = QueueLimits {
        messages_max: 2,
        bytes_max: 10,
    };

    fn queue() -> Queue {
        Queue::new(LIMITS, Arc::default())
    }

    fn put(queue: &Queue, bytes: usize) -> bool {
        queue.put(&Kind::Binary, &Bytes::from(vec![0; bytes]))
    }

    async fn taken(queue: &Queue) -> Result<usize, u16> {
        match queue.next().await {
            Next::Message { data, .. } => Ok(data.len()),
            Next::End(closing) => Err(closing.code),
        }
    }

    #[tokio::test]
    async fn one_message_fits_whatever_its_size_and_no_more_than_the_limits() {
        let large = queue();
        assert!(put(&large, 100));
        assert!(!put(&large, 1), "there are no bytes left");
        let many = queue();
        assert!(put(&many, 0) && put(&many, 0));
        assert!(!put(&many, 0), "there is no place left");
        for queue in [large, many] {
            assert!(!put(&queue, 0), "it is over");
            assert_eq!(queue.overrun().await.code, 1013);
            assert_eq!(taken(&queue).await, Err(1013));
            let counts = queue.counter.counts();
            assert_eq!(counts.overrun, 1);
            assert_eq!(counts.messages_dropped, counts.messages_queued);
        }
    }

    #[tokio::test]
    async fn what_is_taken_makes_room() {
        let queue = queue();
        for _ in 0..10 {
            assert!(put(&queue, 5) && put(&queue, 5));
            assert_eq!(taken(&queue).await, Ok(5));
            assert_eq!(taken(&queue).await, Ok(5));
        }
    }

    #[tokio::test]
    async fn an_end_comes_behind_what_was_queued_and_nothing_behind_it() {
        let queue = queue();
        assert!(put(&queue, 3));
        let close = |code| queue.put(&Kind::Close(Closing::new(code, "")), &Bytes::new());
        assert!(close(4000));
        assert!(!close(4001) && !put(&queue, 1));
        assert_eq!(taken(&queue).await, Ok(3));
        assert_eq!(taken(&queue).await, Err(4000));
        queue.close();
        assert!(!put(&queue, 1));
    }
}
