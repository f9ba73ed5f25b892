//! A subscription as a member of a consumer group. A thread of its own polls: messages are taken as there is
//! room for them in hand, and where there is none for a while its partitions are paused.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::Message as _,
};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};
use wrt_messaging::{DeliveryMode, Subscribed, Subscriber, Topic, TopicFilter};
use wrt_protocol::Name;

use super::{
    assignment::Assignment,
    delivery::{Deliveries, Taken},
    held::Held,
};
use crate::{
    ConnectError, Kafka, KafkaGroupProtocol,
    topics::{Known, matches},
};

/// How long a poll waits: nothing else wakes its thread.
const POLL: Duration = Duration::from_millis(20);
/// How long messages that there is no room for are held before partitions are paused.
const HOLD: Duration = Duration::from_millis(250);
/// How long a broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often what is done is committed.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// How often it is told why there are no messages.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Messages behind the first of a partition that is not done.
const AHEAD_MAX: usize = 65_536;
/// Messages that are handed over at most once, and committed together.
const AT_ONCE_MAX: usize = 64;
/// How often the group's broker hears of a member. It hears at the same time of partitions that go to
/// another.
const HEARTBEAT_MS: u64 = 500;

/// One subscription.
struct Consumer {
    consumer: Arc<BaseConsumer<Assignment>>,
    deliveries: Arc<Deliveries>,
    topics: Vec<TopicFilter>,
    known: watch::Receiver<Arc<Known>>,
    subscribed: BTreeSet<String>,
    held: Held,
    is_paused: bool,
    /// When it was committed last.
    committed: Instant,
    /// When it was told last why there are no messages.
    told: Option<Instant>,
    /// The client takes no more messages.
    has_failed: bool,
}

impl Kafka {
    /// Becomes a member of the group for the topics of a subscription.
    pub(super) async fn consume(
        &self,
        subscribed: &mut Subscribed,
        subscriber: &Subscriber,
        group: &str,
        component: &Name,
    ) -> Result<(), ConnectError> {
        let subscription = subscriber.subscription();
        let is_kept = subscription.delivery == DeliveryMode::AtLeastOnce;
        for topic in &subscription.topics {
            if is_kept && !self.topics().hold(topic).await {
                let topic = topic.clone();
                return Err(ConnectError::NoTopic { topic });
            }
            self.make_if_asked_for(topic).await?;
        }
        let failed = |source| ConnectError::Broker {
            what: format!("cannot subscribe as {group}"),
            source,
        };
        let dead_letters = match is_kept {
            true => Some(self.dead_letters(component).await?),
            false => None,
        };
        let settings = self.member_settings(group, is_kept).await;
        let context = Assignment::new(self.context().clone());
        let sure = Arc::clone(&context.sure);
        let consumer: KafkaResult<BaseConsumer<Assignment>> = settings.create_with_context(context);
        let consumer = Arc::new(consumer.map_err(failed)?);
        let (topics, known) = (subscription.topics.clone(), self.topics().watch());
        subscribed.run_for(subscriber, |stop| {
            let held = Held::none(is_kept);
            let deliveries = Deliveries::new(subscriber.clone(), dead_letters, sure, stop);
            let deliveries = Arc::new(deliveries);
            Consumer {
                consumer,
                deliveries,
                topics,
                known,
                subscribed: BTreeSet::new(),
                held,
                is_paused: false,
                committed: Instant::now(),
                told: None,
                has_failed: false,
            }
            .run()
        });
        Ok(())
    }

    /// A topic that is made when it is first used is used by now.
    async fn make_if_asked_for(&self, filter: &TopicFilter) -> Result<(), ConnectError> {
        let Ok(topic) = Topic::new(filter.as_str()) else {
            return Ok(());
        };
        let found = self.topics().find(topic.as_str(), ANSWER_WITHIN).await;
        found.map(drop).map_err(|source| ConnectError::Broker {
            what: format!("cannot make the topic {topic}"),
            source,
        })
    }

    async fn member_settings(&self, group: &str, is_kept: bool) -> ClientConfig {
        let mut settings = self.config().client();
        for (name, value) in [
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            (
                "auto.offset.reset",
                if is_kept { "earliest" } else { "latest" },
            ),
            ("queued.max.messages.kbytes", "16384"),
            ("queued.min.messages", "1000"),
            ("fetch.queue.backoff.ms", "50"),
            ("fetch.wait.max.ms", "100"),
            ("topic.metadata.refresh.interval.ms", "30000"),
        ] {
            settings.set(name, value);
        }
        match self.config().group_protocol {
            KafkaGroupProtocol::Classic => {
                let session = self.session_ms().await;
                settings.set("group.protocol", "classic");
                settings.set("partition.assignment.strategy", "cooperative-sticky");
                settings.set("session.timeout.ms", session.to_string());
                settings.set("heartbeat.interval.ms", HEARTBEAT_MS.to_string());
            }
            KafkaGroupProtocol::Consumer => {
                settings.set("group.protocol", "consumer");
            }
        }
        settings
    }
}

impl Consumer {
    /// Polls until it is stopped, and ends when nothing is in hand and its partitions are given up; at once
    /// when it is dropped.
    async fn run(mut self) {
        let _gone = self.deliveries.gone.clone().drop_guard();
        let runtime = Handle::current();
        let (ended, end) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("kafka-consumer".to_owned());
        let context = self.assignment().context().clone();
        let begun = thread.spawn(move || {
            let _taker = self.deliveries.taker.set(thread::current());
            self.poll_all(&runtime);
            // A commit that is on its way has the consumer as well.
            drop(self.assignment().turn());
            drop(self);
            ended.send(())
        });
        if let Err(error) = begun {
            context.is_over(&format!("no thread for a subscription: {error}"));
        } else if end.await.is_err() {
            context.is_over("the thread of a subscription has ended by a panic");
        }
    }

    fn poll_all(&mut self, runtime: &Handle) {
        let (stop, gone) = (&self.deliveries.stop.clone(), &self.deliveries.gone.clone());
        while !self.has_failed && !stop.is_cancelled() && !gone.is_cancelled() {
            self.follow_topics();
            self.commit_in_time(runtime);
            match self.held.first() {
                None => self.take(POLL),
                Some(_) => self.begin_held(runtime),
            }
        }
        self.let_go();
        while self.deliveries.count() > 0 && !gone.is_cancelled() {
            self.pause();
            self.take(Duration::ZERO);
            self.let_go();
            thread::park_timeout(POLL);
            self.commit_in_time(runtime);
        }
    }

    /// What is held stays with the brokers, for whoever comes next; but for what is committed already.
    fn let_go(&mut self) {
        while let Some(taken) = self.held.pop() {
            self.deliveries.let_go(&taken.record);
        }
    }

    fn assignment(&self) -> &Assignment {
        self.consumer.context()
    }

    /// Subscribes to what is there of its topics, and to what is new.
    fn follow_topics(&mut self) {
        let is_new = self.known.has_changed().unwrap_or(false);
        if !is_new && !self.subscribed.is_empty() {
            return;
        }
        let known = self.known.borrow_and_update();
        let wanted = |name: &&String| self.topics.iter().any(|topic| matches(topic, name));
        let names: BTreeSet<_> = known.keys().filter(wanted).cloned().collect();
        drop(known);
        if names.is_subset(&self.subscribed) {
            return;
        }
        self.subscribed.extend(names);
        let names: Vec<_> = self.subscribed.iter().map(String::as_str).collect();
        if let Err(error) = self.consumer.subscribe(&names) {
            tracing::warn!(%error, ?names, "kafka: cannot subscribe");
            self.subscribed.clear();
        }
    }

    fn commit_in_time(&mut self, runtime: &Handle) {
        let assignment = self.assignment();
        let is_asked_for = self.deliveries.waits_to_be_sure() && assignment.sure.is_due();
        let every = if is_asked_for { POLL } else { COMMIT_EVERY };
        if self.committed.elapsed() < every || !self.deliveries.is_kept() {
            return;
        }
        let begun = assignment.begin_commit(&self.consumer, runtime, is_asked_for);
        if let Err(error) = begun {
            tracing::debug!(%error, "kafka: offsets are not committed");
        }
        self.committed = Instant::now();
    }

    /// Waits for a message, and holds it.
    fn take(&mut self, within: Duration) {
        let record = match self.consumer.poll(within) {
            Some(Ok(record)) => record,
            Some(Err(error)) => return self.tell(&error),
            None => return,
        };
        let partition = self
            .assignment()
            .partition(record.topic(), record.partition());
        let Some(mut partition) = partition else {
            return;
        };
        if partition.offsets.lock().goes_back_to(record.offset()) {
            match self.assignment().begin_again(&self.consumer, &partition) {
                Ok(Some(again)) => partition = again,
                Ok(None) => return,
                Err(error) => {
                    // Who comes next begins with what is committed, which skips nothing.
                    let why = format!("it is not known how long a partition is: {error}");
                    self.assignment().context().is_over(&why);
                    self.has_failed = true;
                    return;
                }
            }
        }
        let mut offsets = partition.offsets.lock();
        let Some(failed) = offsets.take(record.offset()) else {
            return;
        };
        if !self.deliveries.is_kept() {
            offsets.done(record.offset());
        }
        drop(offsets);
        let record = record.detach();
        self.held.push(Taken {
            record,
            partition,
            failed,
        });
    }

    /// The client goes on to try, unless it says that this is fatal.
    fn tell(&mut self, error: &KafkaError) {
        if let KafkaError::MessageConsumptionFatal(_) = error {
            let why = self.consumer.client().fatal_error();
            let why = why.map_or_else(|| error.to_string(), |(_, why)| why);
            self.assignment().context().is_over(&why);
            self.has_failed = true;
            return;
        }
        let is_away = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
        );
        if is_away || self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            tracing::debug!(%error, "kafka: no messages");
        } else {
            self.told = Some(Instant::now());
            tracing::warn!(%error, topics = ?self.subscribed, "kafka: no messages");
        }
    }

    /// Begins with what is held, as far as there is room.
    fn begin_held(&mut self, runtime: &Handle) {
        if !self.is_settled() {
            thread::park_timeout(HOLD);
            return;
        }
        while let Some(first) = self.held.first() {
            let is_far_ahead = first.partition.offsets.lock().len() > AHEAD_MAX;
            let room = match is_far_ahead {
                true => None,
                false => self.deliveries.room(),
            };
            let Some(room) = room else {
                return self.wait_for_room();
            };
            if let Some(taken) = self.held.pop() {
                self.deliveries.begin(runtime, taken, room);
            }
            if self.held.runs_out() {
                self.go_on();
            }
        }
    }

    /// What is handed over at most once is committed before: as much together as there is room for.
    fn is_settled(&mut self) -> bool {
        if self.deliveries.is_kept() {
            return true;
        }
        let mut before = 0;
        while self.held.len() > before && self.held.len() < AT_ONCE_MAX {
            before = self.held.len();
            self.take(Duration::ZERO);
        }
        match self.assignment().commit(&self.consumer) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "kafka: messages wait: they are not committed");
                self.take(Duration::ZERO);
                false
            }
        }
    }

    /// Woken when there is some. The group hears that this member is there meanwhile, and no more messages
    /// come than may be held.
    fn wait_for_room(&mut self) {
        let before = self.held.len();
        if !self.held.is_full() && !self.is_paused {
            self.take(Duration::ZERO);
            if self.held.len() == before {
                thread::park_timeout(POLL);
            }
            return;
        }
        if self.held.waits() < HOLD {
            thread::park_timeout(HOLD);
            return;
        }
        self.pause();
        thread::park_timeout(POLL);
        self.take(Duration::ZERO);
        if self.held.len() > before {
            // Of a partition that has come since then.
            self.is_paused = false;
        }
    }

    fn pause(&mut self) {
        if !self.is_paused
            && let Ok(partitions) = self.consumer.assignment()
        {
            self.is_paused = self.consumer.pause(&partitions).is_ok();
        }
    }

    fn go_on(&mut self) {
        if self.is_paused
            && let Ok(partitions) = self.consumer.assignment()
        {
            self.is_paused = self.consumer.resume(&partitions).is_err();
        }
    }
}
