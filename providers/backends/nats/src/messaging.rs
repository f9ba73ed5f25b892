//! wasi:messaging on NATS: topics are subjects. A topic that a stream holds is sent to with the stream's
//! acknowledgement; one that no stream holds only where that is asked for. Requests and their replies go
//! by core NATS, also where a stream holds the topic.

mod attempts;
mod consumer;
mod dead_letters;
mod letters;
mod listener;
mod ordered;
mod position;
mod progress;
mod purge;
mod request;
mod send;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{
    DeliveryMode, Message, MessageHandlerInterface, Messaging, MessagingError, MessagingInterface,
    Order, ReplyTo, RequestOptions, Subscribed, Subscriber, Subscription, Topic, TopicFilter,
    WasiMessaging,
};
use wrt_protocol::{Name, subject};
use wrt_runtime::{
    DeadLettersInterface, Entry, Ownership, SelectionError, Server, Serves, Serving, State,
    SubscriptionsInterface, Target,
};

use crate::{ConnectError, Nats};
use consumer::Consumer;
use ordered::Ordered;
pub(crate) use send::StreamsByTopic;

impl Serves<WasiMessaging> for Nats {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<MessagingInterface>(|nats| nats);
        entry.offers::<DeadLettersInterface>(|nats| nats);
        entry.offers::<SubscriptionsInterface>(|nats| nats);
        entry.calls();
    }
}

#[async_trait]
impl Messaging for Nats {
    async fn send(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError> {
        self.send_message(context, topic, message).await
    }

    async fn request(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        self.request_replies(context, topic, message, options).await
    }

    async fn reply(
        &self,
        context: &CallContext,
        to: &ReplyTo,
        message: &Message,
    ) -> Result<(), MessagingError> {
        self.send_reply(context, to, message).await
    }
}

impl Server for Nats {
    type Calls = MessageHandlerInterface;
    type Selection = Subscription;

    fn check_selections(subscriptions: &[Subscription]) -> Result<(), SelectionError> {
        Subscription::check_all(subscriptions)?;
        for (at, subscription) in subscriptions.iter().enumerate() {
            let broker = subscription.delivery != DeliveryMode::AtLeastOnce;
            let mut topics = subscription.topics.iter();
            if let Some(topic) = topics.find(|topic| is_of_others(topic, broker)) {
                let message = format!(
                    "{topic} has topics of the broker or of a lattice: begin with a word of your own"
                );
                return Err(SelectionError {
                    at,
                    field: Some("topics"),
                    message,
                });
            }
        }
        Ok(())
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<Subscription>>,
    ) -> Result<Box<dyn Serving>, ConnectError> {
        if let Some(name) = Subscription::named_twice(&targets) {
            let text =
                format!("{name} is named twice: name all of its topics in one entry of `calls`");
            return Err(ConnectError::Subscription(text));
        }
        let mut subscribed = Subscribed::counted_by(Arc::clone(self.deliveries()));
        let mut subscribers = Vec::new();
        self.serves_app(state.app());
        for target in targets {
            let group = group(state.app(), &target.component);
            let component = target.component.clone();
            let subscriber = Subscriber::new(state, target, self.deliveries());
            subscribers.push((component.clone(), subscriber.clone()));
            if subscriber.subscription().delivery == DeliveryMode::AtLeastOnce {
                let of = (group, component, state.ownership());
                self.consume(&mut subscribed, &subscriber, of).await?;
            } else {
                self.listen(&mut subscribed, &subscriber, &group).await?;
            }
        }
        self.subscribers().set(subscribers);
        Ok(Box::new(subscribed))
    }
}

/// Who shares the messages of a topic: the replicas of the provider for one component, whatever revision
/// that is of. Neither name has a `=`.
fn group(app: &Name, component: &Name) -> String {
    format!("{app}={component}")
}

/// Whether a filter has topics that are none for guests. A stream holds no such ones, where it is asked.
fn is_of_others(topic: &TopicFilter, broker: bool) -> bool {
    let any = broker && topic.as_str().starts_with(['*', '>']);
    any || subject::is_reserved(topic.as_str())
}

impl Nats {
    /// Subscribes to the streams that hold the topics of a subscription. They share what may be in hand.
    async fn consume(
        &self,
        subscribed: &mut Subscribed,
        subscriber: &Subscriber,
        (group, component, ownership): (String, Name, Arc<dyn Ownership>),
    ) -> Result<(), ConnectError> {
        let mut by_stream = BTreeMap::<String, Vec<String>>::new();
        for topic in &subscriber.subscription().topics {
            let stream = self.stream_that_holds(topic).await?;
            let filters = by_stream.entry(stream).or_default();
            filters.push(topic.as_str().to_owned());
        }
        let dead_letters = self.dead_letters(&component).await?;
        let attempts = self.failed_attempts(&group).await?;
        let in_hand_max = subscriber.subscription().in_hand_max as usize;
        let parts = by_stream.len().max(1);
        let each = (in_hand_max / parts).max(1);
        for (stream, filters) in by_stream {
            let consumer = Consumer {
                nats: self.clone(),
                subscriber: subscriber.clone(),
                stream,
                filters,
                group: group.clone(),
                places: subscriber.places(each, parts),
                dead_letters: dead_letters.clone(),
                attempts: attempts.clone(),
            };
            let consumer = Arc::new(consumer);
            if subscriber.subscription().order == Order::Key {
                let ordered = Ordered {
                    consumer,
                    ownership: Arc::clone(&ownership),
                    positions: self.positions().await?,
                };
                ordered.check().await?;
                subscribed.run_for(subscriber, |stop| Arc::new(ordered).run(stop));
                continue;
            }
            let opened = consumer.open().await?;
            subscribed.run_for(subscriber, |stop| consumer.run(opened, stop));
        }
        Ok(())
    }
}
