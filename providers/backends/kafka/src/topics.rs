//! The brokers' topics, as far as they are known.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{
    admin::{AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::MetadataTopic,
    producer::{FutureProducer, Producer as _},
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use wrt_messaging::TopicFilter;

use crate::{KafkaConfig, admin::Admin, context::Context};

/// The longest name that Kafka takes.
pub(crate) const NAME_BYTES_MAX: usize = 249;

/// How often it is looked for topics that others have made.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a topic that is there may take to be seen, and how often it is looked for.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long a topic may take to be made.
const MADE_WITHIN: Duration = Duration::from_secs(5);

/// Topics by name, with how many partitions they have. One that is not seen any more stays: a broker that
/// has just started may not know of all.
pub(crate) type Known = BTreeMap<String, i32>;

/// The brokers' topics.
pub(crate) struct Topics {
    known: watch::Sender<Arc<Known>>,
    producer: FutureProducer<Context>,
    config: KafkaConfig,
    context: Context,
}

/// Whether Kafka takes that name, and does not keep it for itself.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_legal = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(legal);
    is_legal && !matches!(name, "." | "..") && !name.starts_with("__")
}

impl Topics {
    pub(crate) fn new(
        producer: FutureProducer<Context>,
        config: KafkaConfig,
        context: Context,
    ) -> Self {
        Self {
            known: watch::Sender::default(),
            producer,
            config,
            context,
        }
    }

    /// Those that are known, and whenever there are more.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Known>> {
        self.known.subscribe()
    }

    /// Whether there is a topic of that name; it is made where that is asked for.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) async fn find(&self, topic: &str, within: Duration) -> Result<bool, KafkaError> {
        if self.known.borrow().contains_key(topic) || self.look_for(topic, within).await? {
            return Ok(true);
        }
        let asked_for = wrt_messaging::Topic::new(topic).is_ok_and(|topic| {
            let mut filters = self.config.create_topics.iter();
            filters.any(|filter| filter.matches(&topic))
        });
        match asked_for {
            true => self.make(topic, &[]).await.map(|()| true),
            false => Ok(false),
        }
    }

    /// Sees to it that a topic of the provider's own is there.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn ensure(
        &self,
        topic: &str,
        settings: &[(&str, &str)],
    ) -> Result<(), KafkaError> {
        match self.look_for(topic, MADE_WITHIN).await? {
            true => Ok(()),
            false => self.make(topic, settings).await,
        }
    }

    /// It is not there any more, as a broker says.
    pub(crate) fn forget(&self, topic: &str) {
        self.known.send_if_modified(|known| {
            Arc::make_mut(known).remove(topic);
            false
        });
    }

    /// Asks for all topics.
    ///
    /// # Errors
    /// Why they are not known.
    pub(crate) async fn look(&self, within: Duration) -> Result<(), KafkaError> {
        self.ask(None, within).await
    }

    /// Looks again and again for topics that others have made.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        while timeout(LOOK_EVERY, stop.cancelled()).await.is_err() {
            if let Err(error) = self.look(LOOK_EVERY).await {
                tracing::debug!(%error, "kafka: the topics are not known");
            }
        }
    }

    /// Whether some topic of a filter is there, or may be made. One that was just made is seen a moment later.
    pub(crate) async fn hold(&self, filter: &TopicFilter) -> bool {
        let until = Instant::now() + SEEN_WITHIN;
        while !self.hold_now(filter) {
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK_AGAIN).await;
            if let Err(error) = self.look(SEEN_WITHIN).await {
                tracing::debug!(%error, "kafka: the topics are not known");
            }
        }
        true
    }

    fn hold_now(&self, filter: &TopicFilter) -> bool {
        let mut made = self.config.create_topics.iter();
        let known = self.known.borrow();
        made.any(|made| made.overlaps(filter)) || known.keys().any(|name| matches(filter, name))
    }

    /// How many partitions a topic has; none where it is not there.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) async fn partitions_of(
        &self,
        topic: &str,
        within: Duration,
    ) -> Result<i32, KafkaError> {
        self.ask(Some(topic.to_owned()), within).await?;
        Ok(self.known.borrow().get(topic).copied().unwrap_or(0))
    }

    async fn look_for(&self, topic: &str, within: Duration) -> Result<bool, KafkaError> {
        Ok(self.partitions_of(topic, within).await? > 0)
    }

    async fn ask(&self, topic: Option<String>, within: Duration) -> Result<(), KafkaError> {
        let producer = self.producer.clone();
        let asked = spawn_blocking(move || {
            let metadata = producer.client().fetch_metadata(topic.as_deref(), within)?;
            let there = |topic: &&MetadataTopic| topic.error().is_none();
            let topics = metadata.topics().iter().filter(there);
            let entry =
                |topic: &MetadataTopic| (topic.name().to_owned(), topic.partitions().len() as i32);
            Ok(topics.map(entry).collect::<Known>())
        });
        // A task that is not cancelled ends by panicking alone.
        let seen = asked.await.unwrap_or(Err(KafkaError::Canceled))?;
        self.context.answered();
        self.add(seen);
        Ok(())
    }

    fn add(&self, seen: Known) {
        self.known.send_if_modified(|known| {
            let is_new = |(name, count): (&String, &i32)| known.get(name) != Some(count);
            if !seen.iter().any(is_new) {
                return false;
            }
            Arc::make_mut(known).extend(seen);
            true
        });
    }

    async fn make(&self, topic: &str, settings: &[(&str, &str)]) -> Result<(), KafkaError> {
        let admin = Admin::of(&self.config, &self.context)?;
        // As many partitions and copies as the broker says.
        let mut new = NewTopic::new(topic, -1, TopicReplication::Fixed(-1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let options = AdminOptions::new()
            .operation_timeout(Some(MADE_WITHIN))
            .request_timeout(Some(MADE_WITHIN));
        for made in admin.create_topics(&[new], &options).await? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        tracing::info!(topic, "kafka: a topic is made");
        if !self.look_for(topic, MADE_WITHIN).await? {
            // The broker that was asked has not heard of it yet.
            self.add(Known::from([(topic.to_owned(), 1)]));
        }
        Ok(())
    }
}

/// Whether a topic of Kafka is one of a filter.
pub(crate) fn matches(filter: &TopicFilter, name: &str) -> bool {
    is_name(name) && wrt_messaging::Topic::new(name).is_ok_and(|topic| filter.matches(&topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_takes_is_a_name() {
        for (name, expected) in [
            ("orders.placed", true),
            ("a-b_C.1", true),
            ("", false),
            ("..", false),
            ("__consumer_offsets", false),
            ("caf\u{e9}", false),
            ("a b", false),
            (&"x".repeat(250), false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }
}
