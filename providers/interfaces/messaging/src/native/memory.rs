//! The broker that needs no service.

mod letters;
mod queue;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wrt_contract::{CallContext, async_trait};
use wrt_protocol::{Fault, FaultKind, Hop, Name};
use wrt_runtime::{
    Backend, DeadLettersInterface, Entry, FromEnv, SelectionError, Server, Serves, Serving,
    Settings, SettingsError, State, SubscriptionsInterface, Target, check_range,
};

use crate::{
    DeliveryCounter, INBOX, Message, MessageHandlerInterface, Messaging, MessagingError,
    MessagingInterface, ReplyTo, RequestOptions, Subscribed, Subscriber, Subscribers, Subscription,
    Topic, WasiMessaging, gather, limits::REPLIES_MAX,
};
use letters::Letters;
use queue::{Consumer, Kept, Waiting};

/// How much messages are kept.
#[derive(Debug, Clone, confique::Config)]
pub struct MemoryConfig {
    /// Messages that wait to be handled; one more is refused.
    #[config(env = "MEMORY_MESSAGES_MAX", default = 100_000)]
    pub messages_max: usize,
    /// Their bytes.
    #[config(env = "MEMORY_MESSAGES_BYTES_MAX", default = 268_435_456)]
    pub messages_bytes_max: usize,
    /// Messages that were given up and are kept as dead letters; one more is dropped.
    #[config(env = "MEMORY_DEAD_LETTERS_MAX", default = 1000)]
    pub dead_letters_max: usize,
    /// Their bytes.
    #[config(env = "MEMORY_DEAD_LETTERS_BYTES_MAX", default = 67_108_864)]
    pub dead_letters_bytes_max: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

/// A broker in this process. A part of the provider in memory: what it keeps ends with it, and each
/// replica has its own.
#[derive(Debug, Default)]
pub struct MessagingDefault {
    config: MemoryConfig,
    broker: Arc<Broker>,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A component with two places in one queue.
    #[error("{0} is named twice: name all of its topics in one entry of `calls`")]
    NamedTwice(Name),
}

impl MessagingDefault {
    /// Keeps as much as `config` says.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self {
            config,
            broker: Arc::default(),
        }
    }

    /// What has become of its messages.
    #[must_use]
    pub fn counts(&self) -> crate::DeliveryCounts {
        self.broker.counter.counts()
    }
}

impl Backend for MessagingDefault {
    const NAME: &'static str = "memory";

    type ConnectOptions = MemoryConfig;
    type ConnectError = MemoryError;

    async fn connect_with(config: MemoryConfig) -> Result<Self, MemoryError> {
        Ok(Self::new(config))
    }

    fn is_for_good(_: &MemoryError) -> bool {
        true
    }

    fn check(config: &MemoryConfig) -> Result<(), SettingsError> {
        let most = u64::from(u32::MAX);
        check_range("messages_max", config.messages_max as u64, 1..=most)?;
        let bytes = config.messages_bytes_max as u64;
        check_range("messages_bytes_max", bytes, 1..=u64::MAX)?;
        check_range("dead_letters_max", config.dead_letters_max as u64, 0..=most)
    }
}

impl Serves<WasiMessaging> for MessagingDefault {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<MessagingInterface>(|memory| memory);
        entry.offers::<DeadLettersInterface>(|memory| memory);
        entry.offers::<SubscriptionsInterface>(|memory| memory);
        entry.calls();
    }
}

impl Server for MessagingDefault {
    type Calls = MessageHandlerInterface;
    type Selection = Subscription;

    fn check_selections(subscriptions: &[Subscription]) -> Result<(), SelectionError> {
        Subscription::check_all(subscriptions)
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<Subscription>>,
    ) -> Result<Box<dyn Serving>, MemoryError> {
        if let Some(name) = Subscription::named_twice(&targets) {
            return Err(MemoryError::NamedTwice(name.clone()));
        }
        let counter = &self.broker.counter;
        let mut subscribed = Subscribed::counted_by(Arc::clone(counter));
        let (mut queues, mut subscribers) = (Vec::new(), Vec::new());
        for target in targets {
            let component = target.component.clone();
            let subscriber = Subscriber::new(state, target, counter);
            let (sender, waiting) = mpsc::channel(self.config.messages_max);
            queues.push(Queue {
                subscription: subscriber.subscription().clone(),
                sender,
            });
            subscribers.push((component.clone(), subscriber.clone()));
            let consumer = Consumer {
                subscriber,
                component,
                broker: Arc::clone(&self.broker),
                config: self.config.clone(),
                keyed: Mutex::default(),
            };
            let subscriber = consumer.subscriber.clone();
            subscribed.run_for(&subscriber, |stop| Arc::new(consumer).run(waiting, stop));
        }
        self.broker.subscribers.set(subscribers);
        *self.broker.queues.lock() = queues;
        Ok(Box::new(subscribed))
    }
}

#[derive(Debug, Default)]
struct Broker {
    queues: Mutex<Vec<Queue>>,
    /// Those who wait for replies.
    inboxes: Mutex<HashMap<String, mpsc::Sender<Message>>>,
    requests: AtomicU64,
    kept: Arc<Kept>,
    counter: Arc<DeliveryCounter>,
    letters: Letters,
    subscribers: Subscribers,
}

/// The messages of one subscription.
#[derive(Debug)]
struct Queue {
    subscription: Subscription,
    sender: mpsc::Sender<Waiting>,
}

impl MessagingDefault {
    /// Gives the message to each subscription of its topic; to how many. To all of them or to none.
    fn publish(
        &self,
        topic: &Topic,
        message: &Message,
        reply_to: Option<ReplyTo>,
    ) -> Result<usize, MessagingError> {
        message.check()?;
        let MemoryConfig {
            messages_max,
            messages_bytes_max,
            ..
        } = self.config;
        let message = Message {
            topic: Some(topic.clone()),
            reply_to,
            ..message.clone()
        };
        let queues = self.broker.queues.lock();
        let wants = |queue: &&Queue| {
            let mut topics = queue.subscription.topics.iter();
            topics.any(|filter| filter.matches(topic))
        };
        let wanted: Vec<_> = queues.iter().filter(wants).collect();
        let Broker { kept, counter, .. } = &*self.broker;
        if !kept.has_room_for(wanted.len(), &message, &self.config) {
            let text = format!("{messages_max} messages, {messages_bytes_max} bytes may wait");
            return Err(MessagingError::full(text));
        }
        // A queue has as many places as there are for all of them together: one that has none is closed.
        let places = wanted.iter().map(|queue| queue.sender.try_reserve());
        let Ok(places) = places.collect::<Result<Vec<_>, _>>() else {
            let detail = "the subscriptions are about to end";
            let fault = Fault::not_executed(FaultKind::Draining, Hop::Backend, detail);
            return Err(fault.into());
        };
        let count = places.len();
        for place in places {
            place.send(Waiting::new(message.clone(), kept, counter));
        }
        Ok(count)
    }
}

#[async_trait]
impl Messaging for MessagingDefault {
    async fn send(
        &self,
        _: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError> {
        let reply_to = message.reply_to.clone();
        self.publish(topic, message, reply_to).map(drop)
    }

    async fn request(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        let number = self.broker.requests.fetch_add(1, Relaxed);
        let inbox = Inbox::open(&self.broker, number);
        let (sender, replies) = mpsc::channel(REPLIES_MAX);
        self.broker
            .inboxes
            .lock()
            .insert(inbox.address.clone(), sender);
        let reply_to = ReplyTo {
            address: inbox.address.clone(),
            link: String::new(),
        };
        if self.publish(topic, message, Some(reply_to))? == 0 {
            let detail = format!("nobody subscribes to {topic}");
            let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail);
            return Err(fault.into());
        }
        gather(ReceiverStream::new(replies), options.within(context)).await
    }

    async fn reply(
        &self,
        context: &CallContext,
        to: &ReplyTo,
        message: &Message,
    ) -> Result<(), MessagingError> {
        message.check()?;
        if !to.is_inbox() {
            return self.send(context, &Topic::new(&to.address)?, message).await;
        }
        let inbox = self.broker.inboxes.lock().get(&to.address).cloned();
        let gone = inbox.is_none_or(|inbox| inbox.try_send(message.clone()).is_err());
        if gone {
            self.broker.counter.dropped();
        }
        Ok(())
    }
}

/// The place of one who waits for replies, given up with it.
struct Inbox<'a> {
    broker: &'a Broker,
    address: String,
}

impl<'a> Inbox<'a> {
    fn open(broker: &'a Broker, number: u64) -> Self {
        let address = format!("{INBOX}{number}");
        Self { broker, address }
    }
}

impl Drop for Inbox<'_> {
    fn drop(&mut self) {
        self.broker.inboxes.lock().remove(&self.address);
    }
}
