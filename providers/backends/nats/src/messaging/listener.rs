//! Subscriptions at most once: messages come as they are published, and nothing is kept.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use wrt_messaging::{DeliveryMode, Subscribed, Subscriber, is_attempt};

use super::wire::{is_for_a_stream, message_of};
use crate::{ConnectError, Nats};

/// How long the server may take to know of a subscription.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take until the client knows that one has ended.
const ENDED_WITHIN: Duration = Duration::from_secs(1);

impl Nats {
    /// Subscribes to the topics of a subscription: one of a group gets each message, or each gets all.
    pub(super) async fn listen(
        &self,
        subscribed: &mut Subscribed,
        subscriber: &Subscriber,
        group: &str,
    ) -> Result<(), ConnectError> {
        let subscription = subscriber.subscription();
        let failed = |source: async_nats::Error| ConnectError::JetStream {
            what: "cannot subscribe".to_owned(),
            source,
        };
        let in_hand = Arc::new(Semaphore::new(subscription.in_hand_max as usize));
        let waiting = Arc::new(Semaphore::new(2 * subscription.in_hand_max as usize));
        for topic in &subscription.topics {
            let subject = topic.as_str().to_owned();
            let messages = match subscription.delivery {
                DeliveryMode::Broadcast => self.client().subscribe(subject).await,
                _ => {
                    self.client()
                        .queue_subscribe(subject, group.to_owned())
                        .await
                }
            };
            let listener = Listener {
                subscriber: subscriber.clone(),
                in_hand: Arc::clone(&in_hand),
                accepted: Arc::clone(&waiting),
            };
            let messages = messages.map_err(|error| failed(error.into()))?;
            subscribed.run_for(subscriber, |stop| listener.run(messages, stop));
        }
        let known = timeout(KNOWN_WITHIN, self.round_trip()).await;
        known
            .map_err(|elapsed| failed(elapsed.into()))?
            .map_err(failed)
    }

    /// What comes back through the server came behind what it was told before.
    async fn round_trip(&self) -> Result<(), async_nats::Error> {
        let client = self.client();
        let inbox = client.new_inbox();
        let mut back = client.subscribe(inbox.clone()).await?;
        client.publish(inbox, Bytes::new()).await?;
        back.next()
            .await
            .map(drop)
            .ok_or_else(|| "it is closed".into())
    }
}

/// The messages of one topic.
struct Listener {
    subscriber: Subscriber,
    in_hand: Arc<Semaphore>,
    /// What is in hand, and as much again that waits: one more is dropped.
    accepted: Arc<Semaphore>,
}

impl Listener {
    /// Handles what comes until it is stopped: then the server sends no more here, and what it has sent is
    /// handled.
    async fn run(self, mut messages: async_nats::Subscriber, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut ended_by = pin!(stop.cancelled().fuse());
        let mut end: Option<Instant> = None;
        loop {
            while tasks.try_join_next().is_some() {}
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => pending().await,
                }
            };
            let message = tokio::select! {
                () = &mut ended_by, if end.is_none() => {
                    let told = timeout(ENDED_WITHIN, messages.drain()).await;
                    end = Some(Instant::now() + ENDED_WITHIN);
                    if !matches!(told, Ok(Ok(()))) {
                        tracing::debug!("the server is not told that a subscription ends");
                    }
                    continue;
                }
                message = messages.next() => message,
                () = over => None,
            };
            let Some(message) = message else { break };
            self.accept(message, &mut tasks);
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Takes a message in hand, if not too many wait.
    fn accept(&self, message: async_nats::Message, tasks: &mut JoinSet<()>) {
        let Ok(accepted) = Arc::clone(&self.accepted).try_acquire_owned() else {
            let dropped = self.subscriber.counter().dropped();
            tracing::debug!(topic = %message.subject, dropped, "a message is dropped: too many wait");
            return;
        };
        let (subscriber, in_hand) = (self.subscriber.clone(), Arc::clone(&self.in_hand));
        tasks.spawn(async move {
            if let Ok(_permit) = in_hand.acquire().await {
                handle(&subscriber, message).await;
            }
            drop(accepted);
        });
    }
}

async fn handle(subscriber: &Subscriber, message: async_nats::Message) {
    let counter = subscriber.counter();
    let (subject, reply) = (message.subject, message.reply);
    let (headers, reply) = (message.headers.as_ref(), reply.as_deref());
    let reply = reply.filter(|_| !is_for_a_stream(headers));
    let outcome = match message_of(&subject, headers, message.payload, reply) {
        Some(mut read) => subscriber.hand_over(&mut read).await,
        None => return drop_one(subscriber, &subject, &"its subject is no topic"),
    };
    match outcome {
        Ok(()) => counter.handled(),
        Err(error) => {
            if is_attempt(&error) {
                counter.failed();
            }
            drop_one(subscriber, &subject, &error);
        }
    }
}

fn drop_one(subscriber: &Subscriber, topic: &str, reason: &dyn std::fmt::Display) {
    let dropped = subscriber.counter().dropped();
    tracing::warn!(topic, %reason, dropped, "a message is dropped");
}
