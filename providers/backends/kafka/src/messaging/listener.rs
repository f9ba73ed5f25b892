//! Broadcast: each replica of the provider gets all messages, once, if at all.

use std::{sync::Arc, time::Duration};

use rdkafka::message::{Message as _, OwnedMessage};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wrt_messaging::{MessagingError, Subscribed, Subscriber, is_attempt};

use super::{reader::Reader, wire::message_of};
use crate::{ConnectError, Kafka, topics::matches};

/// How long the brokers may take to say where topics end.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);

impl Kafka {
    /// Reads the topics of a subscription.
    pub(super) async fn listen(
        &self,
        subscribed: &mut Subscribed,
        subscriber: &Subscriber,
    ) -> Result<(), ConnectError> {
        let failed = |source| ConnectError::Broker {
            what: "cannot subscribe".to_owned(),
            source,
        };
        let topics = subscriber.subscription().topics.clone();
        let wants = move |name: &str| topics.iter().any(|topic| matches(topic, name));
        let reader = Reader::open(self, wants).map_err(failed)?;
        let reads = CancellationToken::new();
        let ends_with_this = reads.clone().drop_guard();
        let listener = Listener::of(subscriber.clone());
        let (tasks, gone) = (listener.tasks.clone(), listener.gone.clone().drop_guard());
        let deliver = move |record| listener.take(record);
        let begun = reader.run(self.topics().watch(), reads, deliver);
        let begun = tokio::time::timeout(BEGINS_WITHIN, begun).await;
        let late = |_elapsed| {
            ConnectError::Subscription("the brokers do not say where topics end".to_owned())
        };
        begun.map_err(late)?.map_err(failed)?;
        subscribed.run_for(subscriber, |stop| async move {
            stop.cancelled().await;
            drop(ends_with_this);
            tasks.close();
            tasks.wait().await;
            drop(gone);
        });
        Ok(())
    }
}

struct Listener {
    subscriber: Subscriber,
    runtime: Handle,
    tasks: TaskTracker,
    /// Everything ends at once.
    gone: CancellationToken,
    in_hand: Arc<Semaphore>,
    /// What is in hand, and as much again that waits: one more is dropped.
    accepted: Arc<Semaphore>,
}

impl Listener {
    fn of(subscriber: Subscriber) -> Self {
        let in_hand_max = subscriber.subscription().in_hand_max as usize;
        Self {
            subscriber,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            gone: CancellationToken::new(),
            in_hand: Arc::new(Semaphore::new(in_hand_max)),
            accepted: Arc::new(Semaphore::new(2 * in_hand_max)),
        }
    }

    fn take(&self, record: OwnedMessage) {
        let Ok(accepted) = Arc::clone(&self.accepted).try_acquire_owned() else {
            return self.drop_one(&record, &"too many wait");
        };
        let (subscriber, in_hand) = (self.subscriber.clone(), Arc::clone(&self.in_hand));
        let handled = async move {
            let (_accepted, _in_hand) = (accepted, in_hand.acquire().await);
            let counter = subscriber.counter();
            let outcome = match message_of(&record) {
                Some(mut message) => subscriber.hand_over(&mut message).await,
                None => Err(MessagingError::other("its topic is none")),
            };
            match outcome {
                Ok(()) => counter.handled(),
                Err(error) => {
                    if is_attempt(&error) {
                        counter.failed();
                    }
                    let (topic, dropped) = (record.topic(), counter.dropped());
                    tracing::warn!(topic, %error, dropped, "a message is dropped");
                }
            }
        };
        let gone = self.gone.clone();
        let handled = async move {
            let _cut_short = gone.run_until_cancelled(handled).await;
        };
        self.runtime.spawn(self.tasks.track_future(handled));
    }

    fn drop_one(&self, record: &OwnedMessage, reason: &dyn std::fmt::Display) {
        let dropped = self.subscriber.counter().dropped();
        tracing::debug!(topic = record.topic(), %reason, dropped, "a message is dropped");
    }
}
