//! Messages that wait in memory, and their way to a handler.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use wrt_protocol::Name;

use super::{Broker, MemoryConfig};
use crate::{
    DeliveryCounter, DeliveryMode, KeyedQueues, Message, MessagingError, PlaceInHand, Places,
    Subscriber, Verdict, is_attempt, limits::TOPIC_BYTES_MAX,
};

/// What waits to be handled, of all queues.
#[derive(Debug, Default)]
pub(super) struct Kept {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Kept {
    /// Whether so many copies of a message may wait as well.
    pub(super) fn has_room_for(
        &self,
        copies: usize,
        message: &Message,
        config: &MemoryConfig,
    ) -> bool {
        let bytes = copies.saturating_mul(bytes_of(message));
        let messages = self.messages.load(Relaxed).saturating_add(copies);
        let bytes = self.bytes.load(Relaxed).saturating_add(bytes);
        messages <= config.messages_max && bytes <= config.messages_bytes_max
    }
}

fn bytes_of(message: &Message) -> usize {
    message.bytes() + TOPIC_BYTES_MAX
}

/// A message that waits to be handled. It counts as kept until it is dropped, and as lost where nothing has
/// become of it by then.
#[derive(Debug)]
pub(super) struct Waiting {
    message: Message,
    failed: u32,
    bytes: usize,
    is_settled: bool,
    kept: Arc<Kept>,
    counter: Arc<DeliveryCounter>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.kept.messages.fetch_sub(1, Relaxed);
        self.kept.bytes.fetch_sub(self.bytes, Relaxed);
        if !self.is_settled {
            let dropped = self.counter.dropped();
            tracing::debug!(topic = ?self.message.topic, dropped, "a message ends with its provider");
        }
    }
}

impl Waiting {
    pub(super) fn new(message: Message, kept: &Arc<Kept>, counter: &Arc<DeliveryCounter>) -> Self {
        let bytes = bytes_of(&message);
        kept.messages.fetch_add(1, Relaxed);
        kept.bytes.fetch_add(bytes, Relaxed);
        Self {
            message,
            failed: 0,
            bytes,
            is_settled: false,
            kept: Arc::clone(kept),
            counter: Arc::clone(counter),
        }
    }
}

/// One subscription.
pub(super) struct Consumer {
    pub(super) subscriber: Subscriber,
    pub(super) component: Name,
    pub(super) broker: Arc<Broker>,
    pub(super) config: MemoryConfig,
    pub(super) keyed: Mutex<KeyedQueues<Waiting>>,
}

impl Consumer {
    /// Hands messages over, at most so many at a time. Once it is stopped it takes no more in, and what
    /// waits already is handed over: nobody else has it.
    pub(super) async fn run(
        self: Arc<Self>,
        mut waiting: mpsc::Receiver<Waiting>,
        stop: CancellationToken,
    ) {
        let in_hand_max = self.subscriber.subscription().in_hand_max as usize;
        let places = self.subscriber.places(in_hand_max, 1);
        let (mut tasks, mut is_open) = (JoinSet::new(), true);
        loop {
            while tasks.try_join_next().is_some() {}
            let next = async {
                let place = places.take().await;
                Some((place, waiting.recv().await?))
            };
            let next = tokio::select! {
                () = stop.cancelled(), if is_open => None,
                next = next => match next {
                    Some(next) => Some(next),
                    None => break,
                },
            };
            match next {
                Some((place, waiting)) => {
                    let Some((waiting, key)) = self.admit(waiting) else {
                        continue;
                    };
                    let (this, places) = (Arc::clone(&self), places.clone());
                    tasks.spawn(async move {
                        this.handle_all(waiting, key, place, &places).await;
                    });
                }
                None => {
                    waiting.close();
                    is_open = false;
                }
            }
        }
        // What pauses is not in hand, and ends with the process that keeps it.
        let all = u32::try_from(in_hand_max).unwrap_or(u32::MAX);
        places.are_free(all).await;
    }

    /// A message that can be handled now, with its key if it has one. One behind others of its key waits.
    fn admit(&self, waiting: Waiting) -> Option<(Waiting, Option<String>)> {
        let key = self.subscriber.subscription().key_of(&waiting.message);
        let Some(key) = key.map(str::to_owned) else {
            return Some((waiting, None));
        };
        let waiting = self.keyed.lock().admit(&key, waiting)?;
        Some((waiting, Some(key)))
    }

    /// Handles a message, and then those that wait behind it for their key.
    async fn handle_all(
        &self,
        mut waiting: Waiting,
        key: Option<String>,
        mut place: PlaceInHand,
        places: &Places,
    ) {
        loop {
            // A panic is one message's, and not that of all behind it.
            let handled = self.handle(waiting, place, places);
            let ended = AssertUnwindSafe(handled).catch_unwind().await;
            let next = key.as_ref().and_then(|key| self.keyed.lock().next(key));
            let Some(next) = next else { return };
            waiting = next;
            place = match ended {
                Ok(place) => place,
                Err(_panic) => places.take().await,
            };
        }
    }

    /// Hands a message over until something has become of it; gives back its place in hand.
    async fn handle(
        &self,
        mut waiting: Waiting,
        mut place: PlaceInHand,
        places: &Places,
    ) -> PlaceInHand {
        loop {
            let outcome = self.subscriber.hand_over(&mut waiting.message).await;
            let Some(pause) = self.settle(&mut waiting, outcome) else {
                return place;
            };
            drop(place);
            tokio::time::sleep(pause).await;
            place = places.take().await;
            self.subscriber.counter().redelivered();
        }
    }

    /// Does what follows from an outcome; when it is tried again, if it is.
    fn settle(
        &self,
        waiting: &mut Waiting,
        outcome: Result<(), MessagingError>,
    ) -> Option<Duration> {
        let counter = self.subscriber.counter();
        let delivery = self.subscriber.subscription().delivery();
        match delivery.verdict(&outcome, waiting.failed) {
            Verdict::Done => {
                counter.handled();
                waiting.is_settled = true;
                None
            }
            Verdict::PutBack { pause } => {
                counter.put_back();
                Some(pause)
            }
            Verdict::Again { pause } => {
                counter.failed();
                waiting.failed += 1;
                Some(pause)
            }
            Verdict::GiveUp => {
                if outcome.as_ref().is_err_and(is_attempt) {
                    counter.failed();
                    waiting.failed += 1;
                }
                let reason = outcome.err().map(|error| error.to_string());
                self.give_up(waiting, &reason.unwrap_or_default());
                None
            }
        }
    }

    /// What was to be handled at least once is kept as a dead letter, if there is room.
    fn give_up(&self, waiting: &mut Waiting, reason: &str) {
        let (counter, attempts) = (self.subscriber.counter(), waiting.failed);
        let topic = waiting.message.topic.clone();
        let mode = self.subscriber.subscription().delivery;
        waiting.is_settled = true;
        let is_kept = mode == DeliveryMode::AtLeastOnce && {
            let (letters, message) = (&self.broker.letters, waiting.message.clone());
            letters.keep(&self.component, message, attempts, reason, &self.config)
        };
        if is_kept {
            counter.dead_lettered();
            tracing::warn!(?topic, attempts, reason, "a dead letter");
        } else {
            let dropped = counter.dropped();
            tracing::warn!(?topic, attempts, reason, dropped, "a message is given up");
        }
    }
}
