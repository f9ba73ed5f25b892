//! wasi:messaging on Kafka: a topic is one of Kafka's, and replicas of a provider that serve the same
//! component are one consumer group. Replies come by a topic of their own.

mod assignment;
mod consumer;
mod dead_letters;
mod delivery;
mod held;
mod letters;
mod listener;
mod offsets;
mod purge;
mod reader;
mod request;
mod send;
mod session;
mod sure;
mod wire;

use std::sync::Arc;

use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{
    DeliveryMode, Message, MessageHandlerInterface, Messaging, MessagingError, MessagingInterface,
    Order, ReplyTo, RequestOptions, Subscribed, Subscriber, Subscription, Topic, TopicFilter,
    WasiMessaging,
};
use wrt_protocol::Name;
use wrt_runtime::{
    DeadLettersInterface, Entry, SelectionError, Server, Serves, Serving, State,
    SubscriptionsInterface, Target,
};

use crate::{ConnectError, Kafka, topics::is_name};
pub(crate) use letters::KeptReader;
pub(crate) use request::Replies;

impl Serves<WasiMessaging> for Kafka {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<MessagingInterface>(|kafka| kafka);
        entry.offers::<DeadLettersInterface>(|kafka| kafka);
        entry.offers::<SubscriptionsInterface>(|kafka| kafka);
        entry.calls();
    }
}

#[async_trait]
impl Messaging for Kafka {
    async fn send(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError> {
        self.publish(context, topic, message).await
    }

    async fn request(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        self.ask(context, topic, message, options).await
    }

    async fn reply(
        &self,
        context: &CallContext,
        to: &ReplyTo,
        message: &Message,
    ) -> Result<(), MessagingError> {
        self.answer(context, to, message).await
    }
}

impl Server for Kafka {
    type Calls = MessageHandlerInterface;
    type Selection = Subscription;

    fn check_selections(subscriptions: &[Subscription]) -> Result<(), SelectionError> {
        Subscription::check_all(subscriptions)?;
        let has_other_key = |subscription: &Subscription| {
            subscription.order == Order::Key && subscription.key.as_deref() != Some(wire::KEY)
        };
        if let Some(at) = subscriptions.iter().position(has_other_key) {
            let key = wire::KEY;
            return Err(SelectionError {
                message: format!("the key of a record is the entry {key:?} of metadata: name that"),
                field: Some("key"),
                at,
            });
        }
        let of = |(at, subscription): (usize, &Subscription)| {
            let mut topics = subscription.topics.iter();
            topics
                .find(|topic| !is_of_kafka(topic))
                .map(|topic| (at, topic.clone()))
        };
        match subscriptions.iter().enumerate().find_map(of) {
            None => Ok(()),
            Some((at, topic)) => Err(SelectionError {
                message: format!(
                    "{topic}: begin with a word of your own; words are letters, digits, '-' and '_'"
                ),
                field: Some("topics"),
                at,
            }),
        }
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<Subscription>>,
    ) -> Result<Box<dyn Serving>, ConnectError> {
        if let Some(name) = Subscription::named_twice(&targets) {
            let text =
                format!("{name} is named twice: all of its topics belong in one entry of `calls`");
            return Err(ConnectError::Subscription(text));
        }
        let within = std::time::Duration::from_millis(self.config().connect_timeout_ms);
        let looked = self.topics().look(within).await;
        looked.map_err(|source| ConnectError::Broker {
            what: "cannot ask for the topics".to_owned(),
            source,
        })?;
        let mut subscribed = Subscribed::counted_by(Arc::clone(self.deliveries()));
        let mut subscribers = Vec::new();
        self.serves_app(state.app());
        for target in targets {
            let component = target.component.clone();
            let subscriber = Subscriber::new(state, target, self.deliveries());
            subscribers.push((component.clone(), subscriber.clone()));
            match subscriber.subscription().delivery {
                DeliveryMode::Broadcast => self.listen(&mut subscribed, &subscriber).await?,
                _ => {
                    let group = group(state.app(), &component);
                    self.consume(&mut subscribed, &subscriber, &group, &component)
                        .await?;
                }
            }
        }
        self.subscribers().set(subscribers);
        let topics = Arc::clone(self.topics());
        subscribed.run(|stop| topics.follow(stop));
        Ok(Box::new(subscribed))
    }
}

/// Who shares the messages of a topic: the replicas of the provider for one component, whatever revision
/// that is of. Neither name has a dot.
fn group(app: &Name, component: &Name) -> String {
    format!("{app}.{component}")
}

/// Whether a filter has topics that Kafka can hold, and none but guests'. All topics of a cluster would have
/// the provider's own among them.
fn is_of_kafka(topic: &TopicFilter) -> bool {
    let mut words = topic.as_str().split('.');
    let is_literal = words.next().is_some_and(is_name);
    is_literal
        && words.all(|word| matches!(word, "*" | ">") || is_name(word) || word.starts_with("__"))
}
