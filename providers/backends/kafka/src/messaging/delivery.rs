//! A message in hand: its handler is called until it returns ok, or the message is a dead letter.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::Thread,
};

use parking_lot::Mutex;
use rdkafka::message::{Message as _, OwnedMessage};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Duration, Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use wrt_messaging::{
    DeliveryMode, KeyedQueues, Message, MessagingError, Order, PlaceInHand, Places, Subscriber,
    Verdict, is_attempt,
    limits::{ORDERED_AHEAD_BYTES_MAX, ORDERED_AHEAD_MAX},
};

use super::{
    assignment::Partition,
    dead_letters::DeadLetters,
    sure::Sure,
    wire::{message_of, record_key_of},
};

/// Messages that wait for their next attempt and are not in hand. Where there are more, they stay in hand.
const WAITING_MAX: usize = 256;

/// A message that was taken.
pub(super) struct Taken {
    pub(super) record: OwnedMessage,
    pub(super) partition: Arc<Partition>,
    /// Attempts at it that have failed.
    pub(super) failed: u32,
}

/// What a consumer's messages are handed to.
pub(super) struct Deliveries {
    subscriber: Subscriber,
    dead_letters: Option<DeadLetters>,
    places: Places,
    waiting: Arc<Semaphore>,
    /// What waits behind others of its key, where there is an order.
    keyed: Mutex<KeyedQueues<Counted>>,
    sure: Arc<Sure>,
    /// Until when nothing is taken.
    paused: Mutex<Instant>,
    /// Messages that were taken and are not done with, and their bytes.
    count: AtomicUsize,
    bytes: AtomicUsize,
    /// Takes messages, and is woken when one is done with.
    pub(super) taker: OnceLock<Thread>,
    /// Nothing more is begun.
    pub(super) stop: CancellationToken,
    /// Everything ends at once.
    pub(super) gone: CancellationToken,
}

/// A message that counts as not done with for as long as this lives.
struct Counted {
    taken: Taken,
    deliveries: Arc<Deliveries>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let bytes = bytes_of(&self.taken);
        self.deliveries.bytes.fetch_sub(bytes, Relaxed);
        self.deliveries.count.fetch_sub(1, SeqCst);
        self.deliveries.wake();
    }
}

impl Deliveries {
    pub(super) fn new(
        subscriber: Subscriber,
        dead_letters: Option<DeadLetters>,
        sure: Arc<Sure>,
        stop: CancellationToken,
    ) -> Self {
        let in_hand_max = subscriber.subscription().in_hand_max as usize;
        Self {
            places: subscriber.places(in_hand_max, 1),
            subscriber,
            dead_letters,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            keyed: Mutex::default(),
            sure,
            paused: Mutex::new(Instant::now()),
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            taker: OnceLock::new(),
            stop,
            gone: CancellationToken::new(),
        }
    }

    /// A place for one more in hand, if there is one and no reason to wait.
    pub(super) fn room(&self) -> Option<PlaceInHand> {
        let are_too_many = self.is_in_order()
            && (self.count() >= ORDERED_AHEAD_MAX
                || self.bytes.load(Relaxed) >= ORDERED_AHEAD_BYTES_MAX);
        if are_too_many || *self.paused.lock() > Instant::now() {
            return None;
        }
        self.places.try_take()
    }

    /// How many are not done with.
    pub(super) fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Begins with a message, or has it wait behind another one of its key.
    pub(super) fn begin(self: &Arc<Self>, runtime: &Handle, taken: Taken, place: PlaceInHand) {
        if taken.failed > 0 {
            self.subscriber.counter().redelivered();
        }
        self.count.fetch_add(1, SeqCst);
        let key = match self.is_in_order() {
            true => record_key_of(&taken.record),
            false => None,
        };
        self.bytes.fetch_add(bytes_of(&taken), Relaxed);
        let counted = Counted {
            taken,
            deliveries: Arc::clone(self),
        };
        let first = match &key {
            Some(key) => self.keyed.lock().admit(key, counted),
            None => Some(counted),
        };
        let Some(first) = first else { return };
        let this = Arc::clone(self);
        runtime.spawn(async move {
            let (mut next, mut place) = (Some(first), Some(place));
            while let Some(counted) = next {
                let handled = this.handle(&counted.taken, place.take());
                let _cut_short = this.gone.run_until_cancelled(handled).await;
                drop(counted);
                next = key.as_ref().and_then(|key| this.keyed.lock().next(key));
            }
        });
    }

    async fn handle(&self, taken: &Taken, mut place: Option<PlaceInHand>) {
        // The one before it may have been left undone.
        if self.is_in_order() && self.stop.is_cancelled() {
            return;
        }
        let Taken {
            record,
            partition,
            failed,
        } = taken;
        let (mut failed, mut message, mut waits) = (*failed, message_of(record), None);
        loop {
            let ready = async {
                let place = match place.take() {
                    Some(place) => place,
                    None => self.places.take().await,
                };
                if self.is_in_order() {
                    self.sure.holds().await;
                }
                place
            };
            // What waits stays with the brokers, for whoever comes next.
            place = tokio::select! {
                biased;
                ready = ready => Some(ready),
                () = partition.lost.cancelled() => return,
                () = self.stop.cancelled() => return,
            };
            drop(waits.take());
            // Whoever has the partition now has the message.
            let Some(runs) = partition.begin(self.is_kept()) else {
                return self.let_go(record);
            };
            let outcome = tokio::select! {
                outcome = self.attempt(message.as_mut()) => outcome,
                () = self.is_cut(partition) => {
                    self.subscriber.counter().put_back();
                    continue;
                }
            };
            let pause = self.settle(record, partition, &outcome, &mut failed);
            let pause = pause.await;
            drop(runs);
            let Some(pause) = pause else { return };
            waits = Arc::clone(&self.waiting).try_acquire_owned().ok();
            if waits.is_some() {
                place = None;
                self.wake();
            }
            tokio::select! {
                () = partition.lost.cancelled() => return,
                () = self.stop.cancelled() => return,
                () = sleep(pause) => {}
            }
            self.subscriber.counter().redelivered();
        }
    }

    async fn attempt(&self, message: Option<&mut Message>) -> Result<(), MessagingError> {
        match message {
            Some(message) => self.subscriber.hand_over(message).await,
            None => Err(MessagingError::other("its topic is none")),
        }
    }

    /// Waits until somebody else may have the messages of a partition, so that its handlers must not go on.
    async fn is_cut(&self, partition: &Partition) {
        match (self.is_kept(), self.is_in_order()) {
            // Nobody else has it.
            (false, _) => std::future::pending().await,
            (true, false) => partition.cut.cancelled().await,
            (true, true) => tokio::select! {
                () = partition.cut.cancelled() => {}
                () = self.sure.over() => {}
            },
        }
    }

    /// Does what follows from an attempt; after which pause there is another, if there is.
    async fn settle(
        &self,
        record: &OwnedMessage,
        partition: &Partition,
        outcome: &Result<(), MessagingError>,
        failed: &mut u32,
    ) -> Option<Duration> {
        let counter = self.subscriber.counter();
        let delivery = self.subscriber.subscription().delivery();
        let offset = record.offset();
        match delivery.verdict(outcome, *failed) {
            Verdict::Done => {
                counter.handled();
                partition.offsets.lock().done(offset);
                None
            }
            Verdict::PutBack { pause } => {
                counter.put_back();
                let until = Instant::now() + pause;
                let mut paused = self.paused.lock();
                *paused = until.max(*paused);
                Some(pause)
            }
            Verdict::Again { pause } => {
                counter.failed();
                *failed = failed.saturating_add(1);
                partition.offsets.lock().failed(offset, *failed);
                Some(pause)
            }
            Verdict::GiveUp => {
                let Err(error) = outcome else { return None };
                if is_attempt(error) {
                    counter.failed();
                }
                let attempts = failed.saturating_add(1);
                match self.give_up(record, attempts, &error.to_string()).await {
                    true => {
                        partition.offsets.lock().done(offset);
                        None
                    }
                    false => Some(delivery.pause_max),
                }
            }
        }
    }

    /// Stores a dead letter. What cannot be stored is given up again later.
    async fn give_up(&self, record: &OwnedMessage, attempts: u32, reason: &str) -> bool {
        let counter = self.subscriber.counter();
        let (topic, offset) = (record.topic(), record.offset());
        let Some(dead_letters) = &self.dead_letters else {
            let dropped = counter.dropped();
            tracing::warn!(topic, offset, reason, dropped, "a message is dropped");
            return true;
        };
        match dead_letters.store(record, attempts, reason).await {
            Ok(()) => {
                counter.dead_lettered();
                tracing::warn!(topic, offset, attempts, reason, "a dead letter");
                true
            }
            Err(error) => {
                tracing::warn!(
                    topic,
                    offset,
                    attempts,
                    error,
                    "a dead letter is not stored"
                );
                false
            }
        }
    }

    /// It is not handled here. What is handed over at most once is gone with that.
    pub(super) fn let_go(&self, record: &OwnedMessage) {
        if !self.is_kept() {
            let (topic, dropped) = (record.topic(), self.subscriber.counter().dropped());
            tracing::warn!(
                topic,
                dropped,
                "a message is dropped: its partition is another's"
            );
        }
    }

    /// Whether a message is there until it was handled.
    pub(super) fn is_kept(&self) -> bool {
        self.subscriber.subscription().delivery == DeliveryMode::AtLeastOnce
    }

    /// Whether one message of a key waits for another.
    pub(super) fn is_in_order(&self) -> bool {
        self.subscriber.subscription().order == Order::Key
    }

    /// Whether something is in hand, or would be, as long as it is sure whose it is.
    pub(super) fn waits_to_be_sure(&self) -> bool {
        self.is_in_order() && self.count() > 0
    }

    fn wake(&self) {
        if let Some(taker) = self.taker.get() {
            taker.unpark();
        }
    }
}

pub(super) fn bytes_of(taken: &Taken) -> usize {
    taken.record.payload().map_or(0, <[u8]>::len)
}
