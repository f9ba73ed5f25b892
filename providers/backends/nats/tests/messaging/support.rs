//! A server, and providers of it that hand their messages to a recorder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::jetstream::{self, stream::Config};
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::time::Instant;
use wrt_contract::{CallContext, Caller, Gate, GateLimits, LocalDirectory, Offer, async_trait};
use wrt_messaging::{
    Message, MessageHandler, MessageHandlerInterface, Messaging, MessagingError, RequestOptions,
    Subscription, Topic, TopicFilter, conformance::Recorder,
};
use wrt_nats::{ConnectError, Nats, NatsConfig};
use wrt_protocol::{ActorAddress, FaultKind};
use wrt_runtime::{Backend as _, LatticeState, Server as _, ServiceAddress, Serving, Target};
use wrt_test_kit::{UnreachableCaller, name};
use wrt_test_servers::NatsServer;

/// Far more than anything takes.
pub const A_WHILE: Duration = Duration::from_secs(30);

/// A server of NATS.
pub struct World {
    pub server: NatsServer,
}

/// A stream in the server's memory.
pub fn stream(name: &str, subject: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        ..Config::default()
    }
}

pub fn nobody_else() -> Arc<dyn Caller> {
    Arc::new(UnreachableCaller(FaultKind::Unavailable))
}

pub fn topic(text: &str) -> Topic {
    Topic::new(text).expect("a legal topic")
}

impl World {
    pub async fn start() -> Self {
        let server = NatsServer::start().expect("nats-server");
        Self { server }
    }

    /// What any other client sees.
    pub async fn jetstream(&self) -> jetstream::Context {
        let client = async_nats::connect(self.server.url()).await;
        jetstream::new(client.expect("connect"))
    }

    pub async fn make(&self, config: Config) {
        let made = self.jetstream().await.create_stream(config).await;
        made.expect("a stream");
    }

    pub fn config(&self) -> NatsConfig {
        NatsConfig {
            url: ServiceAddress::new(self.server.url()),
            ..NatsConfig::default()
        }
    }

    pub async fn connect(&self, config: NatsConfig) -> Arc<Nats> {
        Arc::new(Nats::connect_with(config).await.expect("connect"))
    }

    /// A provider, and a recorder that replies by it.
    pub async fn recorded(&self) -> (Arc<Nats>, Arc<Recorder>) {
        let provider = self.connect(self.config()).await;
        let recorder = Recorder::replying_by(provider.clone());
        (provider, recorder)
    }

    /// The first messages of a stream, as soon as there are so many.
    pub async fn letters(&self, stream: &str, count: u64) -> Vec<jetstream::Message> {
        let jetstream = self.jetstream().await;
        let until = Instant::now() + A_WHILE;
        loop {
            if let Ok(mut there) = jetstream.get_stream(stream).await
                && there
                    .info()
                    .await
                    .is_ok_and(|info| info.state.messages >= count)
            {
                let consumer = there
                    .create_consumer(jetstream::consumer::pull::Config::default())
                    .await
                    .expect("a consumer");
                let batch = consumer.fetch().max_messages(1000).messages().await;
                let letters: Vec<_> = batch.expect("messages").collect().await;
                return letters
                    .into_iter()
                    .map(|letter| letter.expect("a message"))
                    .collect();
            }
            assert!(Instant::now() < until, "not {count} messages in {stream}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Messages that a stream has.
    pub async fn stored(&self, stream: &str) -> u64 {
        let stream = self.jetstream().await.get_stream(stream).await;
        stream.expect("the stream").cached_info().state.messages
    }
}

pub async fn try_serve(
    provider: &Arc<Nats>,
    state: &LatticeState,
    targets: Vec<Target<Subscription>>,
) -> Result<Box<dyn Serving>, ConnectError> {
    Arc::clone(provider).serve(state, targets).await
}

pub async fn serve(
    provider: &Arc<Nats>,
    state: &LatticeState,
    targets: Vec<Target<Subscription>>,
) -> Box<dyn Serving> {
    let serving = try_serve(provider, state, targets).await;
    serving.unwrap_or_else(|error| {
        panic!(
            "it does not serve: {error}: {:?}",
            std::error::Error::source(&error)
        )
    })
}

pub async fn send(provider: &Nats, on: &str, data: &str) -> Result<(), MessagingError> {
    let context = CallContext::default().for_operation();
    provider
        .send(&context, &topic(on), &Message::new(data.to_owned()))
        .await
}

pub async fn request(
    provider: &Nats,
    on: &str,
    message: &Message,
) -> Result<Vec<Message>, MessagingError> {
    let (context, options) = (CallContext::default(), RequestOptions::default());
    provider
        .request(&context, &topic(on), message, options)
        .await
}

/// Waits until the server knows what a client has told it: that it was sent says nothing of that.
pub async fn known(client: &async_nats::Client) {
    let inbox = client.new_inbox();
    let mut back = client.subscribe(inbox.clone()).await.expect("subscribe");
    client.publish(inbox, "".into()).await.expect("publish");
    let came = tokio::time::timeout(A_WHILE, back.next()).await;
    came.expect("in time").expect("it comes back");
}

/// Waits until it holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + A_WHILE;
    while !condition() {
        assert!(Instant::now() < until, "not within {A_WHILE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How a component answers to the data of a message.
pub type Does = dyn Fn(&str) -> Option<MessagingError> + Send + Sync;

/// A component of a replica: what it does is up to the test.
pub struct Component {
    pub handled: Mutex<Vec<String>>,
    pub does: Box<Does>,
    pub takes: Duration,
    pub at_once: AtomicU32,
    pub at_once_most: AtomicU32,
    /// Messages whose senders wait for a reply.
    pub asked: AtomicU32,
}

impl Component {
    pub fn that(does: impl Fn(&str) -> Option<MessagingError> + Send + Sync + 'static) -> Self {
        Self {
            handled: Mutex::default(),
            does: Box::new(does),
            takes: Duration::ZERO,
            at_once: AtomicU32::new(0),
            at_once_most: AtomicU32::new(0),
            asked: AtomicU32::new(0),
        }
    }

    pub fn handles() -> Arc<Self> {
        Arc::new(Self::that(|_| None))
    }

    pub fn count(&self) -> usize {
        self.handled.lock().len()
    }

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
        self.asked
            .fetch_add(u32::from(message.reply_to.is_some()), Relaxed);
        let at_once = self.at_once.fetch_add(1, Relaxed) + 1;
        self.at_once_most.fetch_max(at_once, Relaxed);
        tokio::time::sleep(self.takes).await;
        self.at_once.fetch_sub(1, Relaxed);
        let data = String::from_utf8_lossy(&message.data).into_owned();
        match (self.does)(&data) {
            Some(error) => Err(error),
            None => {
                self.handled.lock().push(data);
                Ok(())
            }
        }
    }
}

/// The app `shop`, with `component` under the name `handler`.
pub fn shop(component: &Arc<Component>) -> LatticeState {
    gated(component, GateLimits::default()).0
}

/// The same, with the gate that it is behind.
pub fn gated(component: &Arc<Component>, limits: GateLimits) -> (LatticeState, Arc<Gate>) {
    let directory = Arc::new(LocalDirectory::default());
    let actor = ActorAddress::component(name("shop"), name("handler"));
    let gate = Gate::of_actor(&actor, limits);
    let handler: Arc<dyn MessageHandler> = Arc::clone(component) as _;
    Offer::new::<MessageHandlerInterface>(handler, &gate).install(&directory, &actor);
    let state = LatticeState::new(name("shop"), directory, nobody_else());
    (state, gate)
}

pub fn gets(topics: &[&str]) -> Target<Subscription> {
    let topics = topics
        .iter()
        .map(|topic| TopicFilter::new(topic).expect("legal"));
    Target {
        component: name("handler"),
        selection: Subscription {
            topics: topics.collect(),
            attempts_max: 2,
            pause_ms_min: 20,
            pause_ms_max: 200,
            ..Subscription::default()
        },
    }
}

pub fn gets_with(topics: &[&str], change: impl FnOnce(&mut Subscription)) -> Target<Subscription> {
    let mut target = gets(topics);
    change(&mut target.selection);
    target
}
