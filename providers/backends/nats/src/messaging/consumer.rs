//! A subscription to a stream: messages are pulled as there is room for them at the component, and acknowledged when
//! their handler has returned ok.
//!
//! ```text
//! pull ── handler ──┬─ ok ──────────────> acknowledged
//!   ^  (progress)   ├─ did not run ─────> put back; nothing is pulled for a while
//!   |               ├─ failed ──────────> counted, put back for a pause
//!   └── ACK_WAIT <──┴─ failed, the last > stored as a dead letter ──> acknowledged
//! ```
//!
//! While a handler runs, the server is told so each second. A node that dies or stands still tells it no
//! more, and the server hands its messages to another after [`ACK_WAIT`].

use std::{collections::BTreeSet, convert::Infallible, pin::pin, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, AckKind,
    consumer::{
        AckPolicy, DeliverPolicy, FromConsumer, PullConsumer,
        pull::{Batch, Config},
    },
    context::ConsumerInfoErrorKind,
    stream::Stream,
};
use futures::{FutureExt, StreamExt, future::select};
use parking_lot::Mutex;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use wrt_contract::until;
use wrt_messaging::{MessagingError, PlaceInHand, Places, Subscriber, Verdict};

use super::{
    attempts::{FailedAttempts, Place},
    dead_letters::{DeadLetters, Origin},
    position::left_at,
    wire::message_of,
};
use crate::{ConnectError, Nats};

/// After this time without a word of its node a message is handed to another.
const ACK_WAIT: Duration = Duration::from_secs(4);
/// How often the word is given.
const PROGRESS: Duration = Duration::from_secs(1);
/// How long the server keeps a request for messages. What it sends to a node that stands still meanwhile
/// waits for [`ACK_WAIT`].
pub(super) const PULL_FOR: Duration = Duration::from_secs(2);
/// Messages asked for at a time.
const PULL_MAX: usize = 256;
/// How long the client may take to let a word to the server go.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// The pause after a request for messages that has failed.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// Messages of a group that are not acknowledged, those that wait for their next attempt among them.
const PENDING_MAX: i64 = 100_000;

/// One stream's share of a subscription.
pub(super) struct Consumer {
    pub(super) nats: Nats,
    pub(super) subscriber: Subscriber,
    pub(super) stream: String,
    pub(super) filters: Vec<String>,
    pub(super) group: String,
    pub(super) places: Places,
    pub(super) dead_letters: DeadLetters,
    pub(super) attempts: FailedAttempts,
}

/// Until when nothing is pulled.
type Paused = Mutex<Instant>;

impl Consumer {
    /// The durable consumer on the server: one for a group, made if it is not there. One that is there
    /// keeps what has been acknowledged, and what its operator has set.
    pub(super) async fn open(&self) -> Result<PullConsumer, ConnectError> {
        let failed = |source: async_nats::Error| ConnectError::JetStream {
            what: format!("cannot subscribe to the stream {}", self.stream),
            source,
        };
        let stream = self.nats.jetstream().get_stream(&self.stream).await;
        let stream = stream.map_err(|error| failed(error.into()))?;
        let config = match stream.consumer_info(&self.group).await {
            Ok(known) => {
                let known = &known.config;
                let mut filters = known.filter_subjects.clone();
                if filters.is_empty() {
                    filters.push(known.filter_subject.clone());
                }
                let same = filters.iter().collect::<BTreeSet<_>>() == self.filters.iter().collect();
                if same {
                    let consumer = stream.get_consumer(&self.group).await;
                    return consumer.map_err(failed);
                }
                Config::try_from_consumer_config(known.clone()).map_err(failed)?
            }
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound => Config {
                    durable_name: Some(self.group.clone()),
                    deliver_policy: self.begins_at(&stream).await,
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: ACK_WAIT,
                    max_ack_pending: PENDING_MAX,
                    ..Config::default()
                },
                _ => return Err(failed(error.into())),
            },
        };
        let config = Config {
            filter_subject: String::new(),
            filter_subjects: self.filters.clone(),
            ..config
        };
        let made = stream.create_consumer(config).await;
        made.map_err(|error| failed(error.into()))
    }

    /// Where a new one begins: with all that the stream has, or where it was in order before.
    async fn begins_at(&self, stream: &Stream) -> DeliverPolicy {
        let made = stream.cached_info().created.unix_timestamp_nanos();
        let made = i64::try_from(made).unwrap_or(i64::MAX);
        match left_at(&self.nats, &self.stream, &self.group, made).await {
            Some(through) => DeliverPolicy::ByStartSequence {
                start_sequence: through.saturating_add(1),
            },
            None => DeliverPolicy::All,
        }
    }

    /// Pulls and hands over until it is stopped, then ends what is in hand.
    pub(super) async fn run(self: Arc<Self>, opened: PullConsumer, stop: CancellationToken) {
        let paused = Arc::new(Paused::new(Instant::now()));
        let (mut tasks, mut opened) = (JoinSet::new(), Some(opened));
        while !stop.is_cancelled() {
            while tasks.try_join_next().is_some() {}
            let pulled = tokio::select! {
                () = stop.cancelled() => break,
                pulled = self.pull(&mut opened, &paused) => pulled,
            };
            let taken = match pulled {
                Ok((batch, places)) => {
                    let handle = |message, place| {
                        let (this, paused) = (Arc::clone(&self), Arc::clone(&paused));
                        // In a box: a task moves what it is made of four times.
                        tasks.spawn(Box::pin(async move {
                            this.handle(message, place, &paused).await;
                        }));
                    };
                    take(batch, places, &stop, handle).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                tracing::warn!(stream = %self.stream, group = %self.group, %error, "no messages");
                opened = None;
                let _stopped = timeout(PAUSE, stop.cancelled()).await;
            }
        }
        while tasks.join_next().await.is_some() {}
        // What was acknowledged last must have left, for the process may be about to end.
        let _sent = timeout(TOLD_WITHIN, self.nats.client().flush()).await;
    }

    /// Asks for as many messages as there is room for, when there is room and no reason to wait.
    async fn pull(
        &self,
        opened: &mut Option<PullConsumer>,
        paused: &Paused,
    ) -> Result<(Batch, Vec<PlaceInHand>), String> {
        loop {
            let until = *paused.lock();
            if until <= Instant::now() {
                break;
            }
            sleep_until(until).await;
        }
        let mut places = vec![self.places.take().await];
        while places.len() < PULL_MAX
            && let Some(free) = self.places.try_take()
        {
            places.push(free);
        }
        if opened.is_none() {
            let again = self.open().await;
            *opened = Some(again.map_err(|error| with_source(&error))?);
        }
        let Some(consumer) = opened else {
            return Err("it is not open".to_owned());
        };
        let request = consumer
            .batch()
            .max_messages(places.len())
            .expires(PULL_FOR);
        let batch = timeout(PULL_FOR, request.messages()).await;
        let batch = batch.map_err(|_elapsed| "the server takes no request".to_owned())?;
        Ok((batch.map_err(|error| with_source(&error))?, places))
    }

    /// Hands one message over, and does with it what follows from that. For as long the server is told that
    /// somebody has it in hand, also while its attempts are looked up or it is stored as a dead letter.
    async fn handle(&self, message: jetstream::Message, place: PlaceInHand, paused: &Paused) {
        let mut work = pin!(self.settle(&message, paused));
        // Most are done before that, and have no timer of their own.
        if until(Instant::now() + PROGRESS, work.as_mut())
            .await
            .is_none()
        {
            let telling = Box::pin(self.tell_progress(&message));
            // Beside the work and not between its steps: a server that is away must not hold up a
            // handler's deadline.
            select(work, telling).await;
        }
        drop(place);
    }

    /// Tells the server now and each second that somebody has a message in hand, for as long as this is polled.
    async fn tell_progress(&self, message: &jetstream::Message) -> Infallible {
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell(message, AckKind::Progress).await;
        }
    }

    /// Each message makes this future, which is moved to its task: what few of them need is in boxes.
    async fn settle(&self, message: &jetstream::Message, paused: &Paused) {
        let counter = self.subscriber.counter();
        let (place, deliveries) = match message.info() {
            Ok(info) => (Place::of(&self.stream, &info), info.delivered),
            Err(error) => {
                counter.dropped();
                tracing::warn!(stream = %self.stream, %error, "this is no message of a stream");
                return;
            }
        };
        let delivery = self.subscriber.subscription().delivery();
        let mut failed = Some(0);
        if deliveries > 1 {
            counter.redelivered();
            failed = Box::pin(self.attempts.of(&place)).await;
        }
        let Some(failed) = failed else {
            // Not known is not none.
            counter.put_back();
            return Box::pin(self.put_back(message, delivery.pause_min)).await;
        };
        let headers = message.headers.as_ref();
        let data = message.payload.clone();
        let outcome = match message_of(&message.subject, headers, data, None) {
            Some(mut read) => self.subscriber.hand_over(&mut read).await,
            None => Err(MessagingError::other("its subject is no topic")),
        };
        match delivery.verdict(&outcome, failed) {
            Verdict::Done => {
                counter.handled();
                self.tell(message, AckKind::Ack).await;
                if failed > 0 {
                    Box::pin(self.attempts.remove(&place)).await;
                }
            }
            Verdict::PutBack { pause } => {
                counter.put_back();
                pause_until(paused, Instant::now() + pause);
                Box::pin(self.put_back(message, pause)).await;
            }
            Verdict::Again { pause } => {
                counter.failed();
                if !Box::pin(self.attempts.set(&place, failed + 1)).await {
                    tracing::warn!(stream = %self.stream, ?place, "a failed attempt is not counted");
                }
                Box::pin(self.put_back(message, pause)).await;
            }
            Verdict::GiveUp => {
                counter.failed();
                let reason = outcome.err().map(|error| error.to_string());
                let reason = reason.unwrap_or_default();
                Box::pin(self.give_up(message, &place, failed + 1, &reason)).await;
            }
        }
    }

    /// Stores a dead letter, and then acknowledges what it is made of. What cannot be stored stays in its
    /// stream, and is given up again later.
    async fn give_up(
        &self,
        message: &jetstream::Message,
        place: &Place<'_>,
        attempts: u32,
        reason: &str,
    ) {
        if self
            .store_dead_letter(message, place, attempts, reason)
            .await
        {
            self.tell(message, AckKind::Ack).await;
            self.attempts.remove(place).await;
        } else {
            let pause = self.subscriber.subscription().delivery().pause_max;
            self.put_back(message, pause).await;
        }
    }

    /// Stores a dead letter; whether it is stored.
    pub(super) async fn store_dead_letter(
        &self,
        message: &jetstream::Message,
        place: &Place<'_>,
        attempts: u32,
        reason: &str,
    ) -> bool {
        let origin = Origin {
            place,
            topic: &message.subject,
            group: &self.group,
            attempts,
            reason,
        };
        let data = message.payload.clone();
        let stored = self
            .dead_letters
            .store(message.headers.as_ref(), data, &origin);
        let (stream, sequence, topic) = (&self.stream, place.sequence, &message.subject);
        match stored.await {
            Ok(is_new) => {
                match is_new {
                    true => self.subscriber.counter().dead_lettered(),
                    false => self.subscriber.counter().duplicate(),
                }
                tracing::warn!(%stream, sequence, %topic, attempts, reason, "a dead letter");
                true
            }
            Err(error) => {
                tracing::warn!(%stream, sequence, %topic, error, "a dead letter is not stored");
                false
            }
        }
    }

    /// One that is lost makes the message come again after [`ACK_WAIT`].
    async fn put_back(&self, message: &jetstream::Message, pause: Duration) {
        self.tell(message, AckKind::Nak(Some(pause))).await;
    }

    /// Tells the server what has become of a message. A word that is lost makes the message come again.
    async fn tell(&self, message: &jetstream::Message, word: AckKind) {
        match timeout(TOLD_WITHIN, message.ack_with(word)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the server is not told of a message"),
            Err(_elapsed) => tracing::debug!("the server is not told of a message in time"),
        }
    }
}

fn pause_until(paused: &Paused, until: Instant) {
    let mut paused = paused.lock();
    *paused = until.max(*paused);
}

/// Takes what comes of a request, until all of it is there or its time is over.
async fn take(
    mut batch: Batch,
    mut places: Vec<PlaceInHand>,
    stop: &CancellationToken,
    mut handle: impl FnMut(jetstream::Message, PlaceInHand),
) -> Result<(), String> {
    // The server ends it before.
    let latest = Instant::now() + PULL_FOR + PAUSE;
    while let Some(place) = places.pop() {
        let next = timeout_at(latest, batch.next());
        let next = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match next {
            Ok(Some(Ok(message))) => handle(message, place),
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(None) | Err(_) => break,
        }
    }
    // What is here already goes to others at once, and not when its time is over.
    while let Some(Some(Ok(message))) = batch.next().now_or_never() {
        let _comes_again = timeout(TOLD_WITHIN, message.ack_with(AckKind::Nak(None))).await;
    }
    Ok(())
}

pub(super) fn with_source(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
