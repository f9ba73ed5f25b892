//! A broker, providers of it, and a client that is none of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Headers as _, Message as _, OwnedMessage},
};
use tokio::time::{Instant, sleep};
use wrt_contract::{CallContext, Caller, Gate, GateLimits, LocalDirectory, Offer, async_trait};
use wrt_kafka::{ConnectError, Kafka, KafkaConfig, KafkaGroupProtocol};
use wrt_messaging::{
    Message, MessageHandler, MessageHandlerInterface, Messaging as _, MessagingError, Subscription,
    Topic, TopicFilter, conformance::Recorder,
};
use wrt_protocol::{ActorAddress, FaultKind};
use wrt_runtime::{Backend as _, LatticeState, Server as _, ServiceAddress, Serving, Target};
use wrt_test_kit::{UnreachableCaller, name};
use wrt_test_servers::KafkaServer;

/// Far more than anything takes.
pub const A_WHILE: Duration = Duration::from_secs(40);

/// What the apps of these tests are told apart by: they share a broker.
static APPS: AtomicU32 = AtomicU32::new(0);

/// An app on a broker: topics and groups of its own.
pub struct World {
    pub server: Arc<KafkaServer>,
    pub app: String,
}

impl World {
    /// On the broker that tests share.
    pub fn shared() -> Self {
        Self::on(KafkaServer::shared().expect("kafka"))
    }

    /// On a broker that nobody else needs.
    pub fn alone() -> Self {
        Self::on(Arc::new(KafkaServer::start().expect("kafka")))
    }

    fn on(server: Arc<KafkaServer>) -> Self {
        let app = format!("app{}", APPS.fetch_add(1, Relaxed));
        Self { server, app }
    }

    pub fn config(&self) -> KafkaConfig {
        KafkaConfig {
            brokers: ServiceAddress::new(self.server.url()),
            dead_letter_topic: format!("dead-{}", self.app),
            reply_topic: format!("replies-{}", self.app),
            ..KafkaConfig::default()
        }
    }

    /// A topic of this app alone.
    pub fn topic(&self, text: &str) -> String {
        format!("{}.{text}", self.app)
    }

    pub async fn connect(&self, config: KafkaConfig) -> Arc<Kafka> {
        Arc::new(Kafka::connect_with(config).await.expect("connect"))
    }

    /// A provider, and a recorder that replies by it.
    pub async fn recorded(&self, config: KafkaConfig) -> (Arc<Kafka>, Arc<Recorder>) {
        let provider = self.connect(config).await;
        let recorder = Recorder::replying_by(provider.clone());
        (provider, recorder)
    }

    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.server.url());
        client
    }

    /// Makes a topic of this app.
    pub async fn make(&self, text: &str, partitions: i32) -> String {
        let topic = self.topic(text);
        let new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
        self.make_as(new).await;
        topic
    }

    /// Makes a topic as it is told.
    pub async fn make_as(&self, new: NewTopic<'_>) {
        let (admin, options) = (self.admin(), AdminOptions::new());
        let made = admin.create_topics(&[new], &options).await;
        for made in made.expect("an answer") {
            let topic = made.expect("a topic");
            // The controller has made it, and the broker hears of it soon.
            let is_seen = || {
                let known = admin.inner().fetch_metadata(Some(&topic), A_WHILE);
                let known = known.expect("metadata");
                known
                    .topics()
                    .iter()
                    .any(|topic| !topic.partitions().is_empty())
            };
            until("it is seen", is_seen).await;
        }
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a client")
    }

    /// The first messages of a topic, as soon as there are so many.
    pub async fn letters(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let mut client = self.client();
        client
            .set("group.id", "looks-on")
            .set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = client.create().expect("a consumer");
        let known = consumer
            .fetch_metadata(Some(topic), A_WHILE)
            .expect("metadata");
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in known.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning)
                .expect("a list");
        }
        consumer.assign(&list).expect("assign");
        let (mut letters, until) = (Vec::new(), Instant::now() + A_WHILE);
        while letters.len() < count {
            assert!(
                Instant::now() < until,
                "{} of {count} in {topic}",
                letters.len()
            );
            if let Some(Ok(letter)) = consumer.poll(Duration::ZERO) {
                letters.push(letter.detach());
            } else {
                sleep(Duration::from_millis(10)).await;
            }
        }
        letters
    }

    /// What is committed of a partition, and what is said of it.
    pub fn committed(&self, component: &str, topic: &str, partition: i32) -> (Option<i64>, String) {
        let mut client = self.client();
        client.set("group.id", format!("{}.{component}", self.app));
        let consumer: BaseConsumer = client.create().expect("a consumer");
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition(topic, partition);
        let list = consumer.committed_offsets(list, A_WHILE).expect("offsets");
        let element = list.find_partition(topic, partition).expect("it is there");
        let offset = match element.offset() {
            rdkafka::Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        (offset, element.metadata().to_owned())
    }

    /// The app, with `component` under the name `handler`.
    pub fn state(&self, component: &Arc<Component>) -> LatticeState {
        self.gated(component, GateLimits::default()).0
    }

    /// The same, with the gate that it is behind.
    pub fn gated(
        &self,
        component: &Arc<Component>,
        limits: GateLimits,
    ) -> (LatticeState, Arc<Gate>) {
        let directory = Arc::new(LocalDirectory::default());
        let actor = ActorAddress::component(name(&self.app), name("handler"));
        let gate = Gate::of_actor(&actor, limits);
        let handler: Arc<dyn MessageHandler> = Arc::clone(component) as _;
        Offer::new::<MessageHandlerInterface>(handler, &gate).install(&directory, &actor);
        let state = LatticeState::new(name(&self.app), directory, nobody_else());
        (state, gate)
    }

    /// A node: a component, and a provider that hands it messages.
    pub async fn node(
        &self,
        component: Component,
        protocol: KafkaGroupProtocol,
        target: Target<Subscription>,
    ) -> Node {
        let config = KafkaConfig {
            group_protocol: protocol,
            ..self.config()
        };
        let (component, provider) = (Arc::new(component), self.connect(config).await);
        let serving = try_serve(&provider, &self.state(&component), target).await;
        let serving = serving.unwrap_or_else(|error| panic!("it does not serve: {error:?}"));
        Node {
            component,
            provider,
            serving,
        }
    }
}

pub struct Node {
    pub component: Arc<Component>,
    pub provider: Arc<Kafka>,
    pub serving: Box<dyn Serving>,
}

/// How a component answers to the data of a message.
type Does = dyn Fn(&str) -> Option<MessagingError> + Send + Sync;

/// A component: what it does is up to the test.
pub struct Component {
    pub handled: Mutex<Vec<String>>,
    pub does: Box<Does>,
    /// What it takes for a message.
    pub takes: Box<dyn Fn(&str) -> Duration + Send + Sync>,
    pub at_once: AtomicU32,
    pub at_once_most: AtomicU32,
}

impl Component {
    pub fn that(does: impl Fn(&str) -> Option<MessagingError> + Send + Sync + 'static) -> Self {
        Self {
            handled: Mutex::default(),
            does: Box::new(does),
            takes: Box::new(|_| Duration::ZERO),
            at_once: AtomicU32::new(0),
            at_once_most: AtomicU32::new(0),
        }
    }

    pub fn handles() -> Self {
        Self::that(|_| None)
    }

    pub fn that_takes(takes: impl Fn(&str) -> Duration + Send + Sync + 'static) -> Self {
        Self {
            takes: Box::new(takes),
            ..Self::handles()
        }
    }

    pub fn count(&self) -> usize {
        self.handled.lock().len()
    }

    /// How often each was handled.
    pub fn times(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for data in &*self.handled.lock() {
            *times.entry(data.clone()).or_default() += 1;
        }
        times
    }
}

#[async_trait]
impl MessageHandler for Component {
    async fn handle(&self, _: &CallContext, message: &Message) -> Result<(), MessagingError> {
        let data = String::from_utf8_lossy(&message.data).into_owned();
        let now = self.at_once.fetch_add(1, Relaxed) + 1;
        self.at_once_most.fetch_max(now, Relaxed);
        sleep((self.takes)(&data)).await;
        self.at_once.fetch_sub(1, Relaxed);
        if let Some(error) = (self.does)(&data) {
            return Err(error);
        }
        self.handled.lock().push(data);
        Ok(())
    }
}

pub fn nobody_else() -> Arc<dyn Caller> {
    Arc::new(UnreachableCaller(FaultKind::Unavailable))
}

pub fn gets(topic: &str, change: impl FnOnce(&mut Subscription)) -> Target<Subscription> {
    let mut selection = Subscription {
        topics: vec![TopicFilter::new(topic).expect("a legal filter")],
        attempts_max: 2,
        pause_ms_min: 20,
        pause_ms_max: 200,
        ..Subscription::default()
    };
    change(&mut selection);
    Target {
        component: name("handler"),
        selection,
    }
}

pub async fn try_serve(
    provider: &Arc<Kafka>,
    state: &LatticeState,
    target: Target<Subscription>,
) -> Result<Box<dyn Serving>, ConnectError> {
    Arc::clone(provider).serve(state, vec![target]).await
}

pub async fn send(provider: &Kafka, on: &str, data: &str) -> Result<(), MessagingError> {
    let (context, topic) = (
        CallContext::default(),
        Topic::new(on).expect("a legal topic"),
    );
    let message = Message::new(data.to_owned());
    provider.send(&context, &topic, &message).await
}

/// Sends them all at once; each must be acknowledged.
pub async fn send_all(provider: &Kafka, on: &str, data: impl IntoIterator<Item = String>) {
    let sends = data
        .into_iter()
        .map(|data| async move { send(provider, on, &data).await });
    for sent in futures::future::join_all(sends).await {
        sent.expect("it is acknowledged");
    }
}

/// The text of a header.
pub fn header(record: &OwnedMessage, name: &str) -> String {
    let mut headers = record.headers().expect("headers").iter();
    let header = headers.find(|header| header.key == name);
    let value = header.and_then(|header| header.value).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

/// Waits until it holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + A_WHILE;
    while !holds() {
        assert!(Instant::now() < until, "not within {A_WHILE:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
