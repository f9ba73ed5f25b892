//! A subscription in order by key. One replica owns it at a time, and reads the stream from where the last
//! owner was: so there is one order of messages, and one of each key is in hand.
//!
//! ```text
//! own ── position ── read in order ── by key ── handler ──┬─ ok, given up ──> position
//!  ^                                    ^                 └─ failed: a pause, and the same once more
//!  └──── not owned any more: all of it is dropped, before another owner begins
//! ```
//!
//! The server knows nothing of what is in hand, and redelivers nothing: the owner tries again by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull::Config},
    kv,
    stream::{RetentionPolicy, Stream},
};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use wrt_messaging::{
    KeyedQueues, Message, MessagingError, Verdict,
    limits::{ORDERED_AHEAD_BYTES_MAX, ORDERED_AHEAD_MAX},
};
use wrt_runtime::{Owned, Ownership, Term};

use super::{
    attempts::Place,
    consumer::{Consumer, PAUSE, PULL_FOR, with_source},
    position::{self, NotWritten, Position},
    progress::{Going, Progress},
    wire::message_of,
};
use crate::ConnectError;

/// Messages asked for at a time.
const PULL_MAX: usize = 64;
/// The pause before a position is written again.
const WRITTEN_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long the server keeps a reader that asks for nothing.
const READER_KEPT: Duration = Duration::from_secs(30);

/// One stream's share of a subscription in order.
pub(super) struct Ordered {
    pub(super) consumer: Arc<Consumer>,
    pub(super) ownership: Arc<dyn Ownership>,
    /// Where each subscription is. Nothing in it is forgotten.
    pub(super) positions: kv::Store,
}

/// A message that was taken, until it is done with.
struct Taken {
    message: jetstream::Message,
    read: Option<Message>,
    sequence: u64,
    failed: u32,
}

/// The work of one owner.
struct Work {
    consumer: Arc<Consumer>,
    term: Term,
    stop: CancellationToken,
    keyed: Mutex<KeyedQueues<Taken>>,
    going: Mutex<Going>,
    /// Bytes of what is taken.
    bytes: AtomicUsize,
    /// Until when nothing is taken.
    paused: Mutex<Instant>,
    /// There is something to write, or room for more.
    changed: Notify,
    has_room: Notify,
}

impl Ordered {
    /// Refuses a stream that keeps messages only until they are acknowledged: it would have none for an owner
    /// that begins where the last one was.
    pub(super) async fn check(&self) -> Result<(), ConnectError> {
        let name = &self.consumer.stream;
        let stream = self.consumer.nats.jetstream().get_stream(name).await;
        let stream = stream.map_err(|error| ConnectError::JetStream {
            what: format!("cannot subscribe to the stream {name}"),
            source: error.into(),
        })?;
        match stream.cached_info().config.retention {
            RetentionPolicy::Limits => Ok(()),
            _ => Err(ConnectError::Subscription(format!(
                "order by key needs messages that stay: the stream {name} removes those that are \
                 acknowledged; set its retention to `limits`"
            ))),
        }
    }

    /// Owns it, works, and leaves it to others, until it is stopped.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let name = self.name();
        while !stop.is_cancelled() {
            let owned = tokio::select! {
                () = stop.cancelled() => return,
                owned = self.ownership.own(&name) => owned,
            };
            let (term, stream) = (owned.term(), &self.consumer.stream);
            let ended = tokio::select! {
                biased;
                () = term.over() => {
                    tracing::warn!(%stream, "a subscription in order is not owned any more");
                    continue;
                }
                ended = self.work(&owned, &stop) => ended,
            };
            owned.give_back().await;
            if let Err(error) = ended {
                tracing::warn!(%stream, %error, "a subscription in order does not go on");
                let _stopped = timeout(PAUSE, stop.cancelled()).await;
            }
        }
    }

    /// What the work is called among those of the provider, and its position in the bucket.
    fn name(&self) -> String {
        position::key(&self.consumer.stream, &self.consumer.group)
    }

    async fn work(&self, owned: &Owned, stop: &CancellationToken) -> Result<(), String> {
        let consumer = &self.consumer;
        let stream = consumer.nats.jetstream().get_stream(&consumer.stream).await;
        let stream = stream.map_err(|error| with_source(&error))?;
        let made = stream.cached_info().created.unix_timestamp_nanos();
        let made = i64::try_from(made).unwrap_or(i64::MAX);
        let (key, bucket) = (self.name(), &self.positions);
        let (mut position, progress) = Position::read(bucket, key, made, owned.epoch()).await?;
        let progress = match position.is_new() {
            true => self.go_on_without_order(&stream, &mut position).await?,
            false => progress,
        };
        let from = progress.through.saturating_add(1);
        let work = Arc::new(Work {
            consumer: Arc::clone(consumer),
            term: owned.term(),
            stop: stop.clone(),
            keyed: Mutex::default(),
            going: Mutex::new(Going::from(&progress)),
            bytes: AtomicUsize::new(0),
            paused: Mutex::new(Instant::now()),
            changed: Notify::new(),
            has_room: Notify::new(),
        });
        let is_over = CancellationToken::new();
        let taking = async {
            work.take_all(&stream, from).await;
            is_over.cancel();
            Ok(())
        };
        let writing = work.keep_position(&mut position, progress, &is_over);
        futures::future::try_join(taking, writing).await.map(drop)
    }
}

impl Ordered {
    /// Where the same subscription was before it had an order: it goes on there.
    async fn go_on_without_order(
        &self,
        stream: &Stream,
        position: &mut Position,
    ) -> Result<Progress, String> {
        let group = &self.consumer.group;
        let Ok(info) = stream.consumer_info(group).await else {
            return Ok(Progress::default());
        };
        let progress = Progress {
            through: info.ack_floor.stream_sequence,
            ..Progress::default()
        };
        let written = position.write(progress.clone()).await;
        written.map_err(|error| format!("the position is not written: {error:?}"))?;
        let deleted = stream.delete_consumer(group).await;
        deleted.map_err(|error| with_source(&error))?;
        Ok(progress)
    }
}

impl Work {
    /// Writes how far it has come, each time that it has come further, and once more at the end.
    async fn keep_position(
        &self,
        position: &mut Position,
        mut written: Progress,
        is_over: &CancellationToken,
    ) -> Result<(), String> {
        loop {
            let is_last = tokio::select! {
                () = self.changed.notified() => false,
                () = is_over.cancelled() => true,
            };
            let now = self.going.lock().stored();
            if now != written {
                match position.write(now.clone()).await {
                    Ok(()) => written = now,
                    Err(NotWritten::NotOurs) => {
                        return Err("another has gone on with it".to_owned());
                    }
                    Err(NotWritten::NotNow(error)) => {
                        tracing::debug!(%error, "a position is not written");
                        self.changed.notify_one();
                        sleep(WRITTEN_AGAIN_AFTER).await;
                    }
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes messages and hands them over until it is stopped, then ends what is in hand.
    async fn take_all(self: &Arc<Self>, stream: &Stream, mut next: u64) {
        let mut tasks = JoinSet::new();
        while !self.stop.is_cancelled() {
            let taken = tokio::select! {
                () = self.stop.cancelled() => break,
                taken = self.take(stream, &mut next, &mut tasks) => taken,
            };
            if let Err(error) = taken {
                let stream = &self.consumer.stream;
                tracing::warn!(%stream, %error, "no messages in order");
                let _stopped = timeout(PAUSE, self.stop.cancelled()).await;
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Reads on from `next` until something is wrong: then the next reader begins behind what has come.
    async fn take(
        self: &Arc<Self>,
        stream: &Stream,
        next: &mut u64,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), String> {
        let reader = self.reader(stream, *next).await?;
        let mut expected = 1;
        loop {
            self.room().await;
            let request = reader.batch().max_messages(PULL_MAX).expires(PULL_FOR);
            let batch = timeout(PULL_FOR, request.messages()).await;
            let batch = batch.map_err(|_elapsed| "the server takes no request".to_owned())?;
            let mut batch = batch.map_err(|error| with_source(&error))?;
            loop {
                while tasks.try_join_next().is_some() {}
                let message = timeout(PULL_FOR + PAUSE, batch.next()).await;
                let message = message.map_err(|_elapsed| "the server is silent".to_owned())?;
                let Some(message) = message else { break };
                let message = message.map_err(|error| error.to_string())?;
                let info = message.info().map_err(|error| error.to_string())?;
                if info.consumer_sequence != expected {
                    return Err("messages are missing".to_owned());
                }
                expected += 1;
                let sequence = info.stream_sequence;
                *next = sequence.saturating_add(1);
                self.accept(message, sequence, tasks);
            }
        }
    }

    /// A reader of what is behind `next`. The server forgets it when nobody asks it any more.
    async fn reader(&self, stream: &Stream, next: u64) -> Result<PullConsumer, String> {
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: next,
            },
            ack_policy: AckPolicy::None,
            filter_subjects: self.consumer.filters.clone(),
            inactive_threshold: READER_KEPT,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let made = stream.create_consumer(config).await;
        made.map_err(|error| with_source(&error))
    }

    /// Waits until more may be taken.
    async fn room(&self) {
        loop {
            let until = *self.paused.lock();
            sleep_until(until).await;
            let changed = self.has_room.notified();
            let window = self.going.lock().window();
            let has_room = self.bytes.load(Relaxed) < ORDERED_AHEAD_BYTES_MAX;
            if window < ORDERED_AHEAD_MAX as u64 && has_room {
                return;
            }
            changed.await;
        }
    }

    fn accept(
        self: &Arc<Self>,
        message: jetstream::Message,
        sequence: u64,
        tasks: &mut JoinSet<()>,
    ) {
        let Some(failed) = self.going.lock().take(sequence) else {
            self.changed.notify_one();
            return;
        };
        if failed > 0 {
            self.consumer.subscriber.counter().redelivered();
        }
        self.bytes.fetch_add(message.payload.len(), Relaxed);
        let (headers, data) = (message.headers.as_ref(), message.payload.clone());
        let read = message_of(&message.subject, headers, data, None);
        let subscription = self.consumer.subscriber.subscription();
        let key = read.as_ref().and_then(|read| subscription.key_of(read));
        let key = key.map(str::to_owned);
        let taken = Taken {
            message,
            read,
            sequence,
            failed,
        };
        let first = match &key {
            Some(key) => self.keyed.lock().admit(key, taken),
            None => Some(taken),
        };
        if let Some(first) = first {
            let this = Arc::clone(self);
            tasks.spawn(async move { this.handle_all(first, key).await });
        }
    }

    /// Handles a message, and then those that wait behind it for their key.
    async fn handle_all(&self, mut taken: Taken, key: Option<String>) {
        loop {
            if !self.handle(&mut taken).await {
                return;
            }
            self.bytes.fetch_sub(taken.message.payload.len(), Relaxed);
            self.going.lock().done(taken.sequence);
            self.changed.notify_one();
            self.has_room.notify_one();
            let next = key.as_ref().and_then(|key| self.keyed.lock().next(key));
            match next {
                Some(next) => taken = next,
                None => return,
            }
        }
    }

    /// Hands a message over until it is done with; whether it is. The next owner goes on with one that is not.
    async fn handle(&self, taken: &mut Taken) -> bool {
        let subscriber = &self.consumer.subscriber;
        let (counter, delivery) = (subscriber.counter(), subscriber.subscription().delivery());
        loop {
            let place = self.consumer.places.take().await;
            if self.stop.is_cancelled() || self.term.is_over() {
                return false;
            }
            let outcome = match &taken.read {
                Some(read) => {
                    let mut message = read.clone();
                    let handed = subscriber.hand_over_during(&self.term, &mut message).await;
                    let Some(outcome) = handed else { return false };
                    outcome
                }
                None => Err(MessagingError::other("its subject is no topic")),
            };
            let pause = match delivery.verdict(&outcome, taken.failed) {
                Verdict::Done => {
                    counter.handled();
                    return true;
                }
                Verdict::PutBack { pause } => {
                    counter.put_back();
                    *self.paused.lock() = Instant::now() + pause;
                    pause
                }
                Verdict::Again { pause } => {
                    counter.failed();
                    taken.failed = self.going.lock().failed(taken.sequence);
                    self.changed.notify_one();
                    pause
                }
                Verdict::GiveUp => {
                    counter.failed();
                    let reason = outcome.err().map(|error| error.to_string());
                    if self.give_up(taken, &reason.unwrap_or_default()).await {
                        return true;
                    }
                    delivery.pause_max
                }
            };
            drop(place);
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = sleep(pause) => counter.redelivered(),
            }
        }
    }

    async fn give_up(&self, taken: &Taken, reason: &str) -> bool {
        let Ok(info) = taken.message.info() else {
            return false;
        };
        let place = Place::of(&self.consumer.stream, &info);
        let attempts = taken.failed.saturating_add(1);
        let given_up = self
            .consumer
            .store_dead_letter(&taken.message, &place, attempts, reason);
        given_up.await
    }
}
