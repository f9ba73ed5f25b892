//! All of some topics, from their ends on: no group, and nothing is kept.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult},
    message::OwnedMessage,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{Kafka, context::Context, topics::Known};

const POLL: Duration = Duration::from_millis(50);
/// How long a broker may take to say where a partition ends.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A partition that was just made has nobody who answers for it, for a moment.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Where the first topics are read from. Those that are seen later are read from their beginnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    End,
    Beginning,
}

/// Reads topics.
pub(super) struct Reader {
    consumer: BaseConsumer<Context>,
    wants: Box<dyn Fn(&str) -> bool + Send>,
    /// Topics, with the partitions that are read.
    read: BTreeMap<String, i32>,
}

impl Reader {
    /// Reads the topics that it `wants`.
    ///
    /// # Errors
    /// Settings that no client can be made of.
    pub(super) fn open(
        kafka: &Kafka,
        wants: impl Fn(&str) -> bool + Send + 'static,
    ) -> KafkaResult<Self> {
        let mut settings = kafka.config().client();
        for (name, value) in [
            // Of no group: nothing is committed, and nobody is joined.
            ("group.id", "wrt-reader"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.wait.max.ms", "100"),
        ] {
            settings.set(name, value);
        }
        Ok(Self {
            consumer: settings.create_with_context(kafka.context().clone())?,
            wants: Box::new(wants),
            read: BTreeMap::new(),
        })
    }

    /// Reads until it is stopped, on a thread of its own, which also calls `deliver`. Returns when it reads
    /// the topics that are there now.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) async fn run(
        mut self,
        mut known: watch::Receiver<Arc<Known>>,
        stop: CancellationToken,
        mut deliver: impl FnMut(OwnedMessage) + Send + 'static,
    ) -> KafkaResult<()> {
        let (begins, begun) = oneshot::channel();
        let thread = thread::Builder::new().name("kafka-reader".to_owned());
        let started = thread.spawn(move || {
            let first = known.borrow_and_update().clone();
            let added = self.add(&first, From::End);
            let failed = added.is_err();
            if begins.send(added).is_err() || failed {
                return;
            }
            while !stop.is_cancelled() {
                if known.has_changed().unwrap_or(false) {
                    let now = known.borrow_and_update().clone();
                    if let Err(error) = self.add(&now, From::Beginning) {
                        tracing::warn!(%error, "kafka: a new topic is not read");
                    }
                }
                match self.consumer.poll(POLL) {
                    Some(Ok(record)) => deliver(record.detach()),
                    // The client goes on to try, and has logged it.
                    Some(Err(error)) => tracing::debug!(%error, "kafka: nothing is read"),
                    None => {}
                }
            }
        });
        let _told_below = started.map_err(|error| tracing::error!(%error, "kafka: no thread"));
        begun.await.unwrap_or(Err(KafkaError::Canceled))
    }

    /// Reads the partitions that it does not read yet.
    fn add(&mut self, known: &Known, from: From) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        let wanted = known.iter().filter(|(name, _)| (self.wants)(name));
        for (name, count) in wanted {
            let read = self.read.get(name).copied().unwrap_or(0);
            for partition in read..*count {
                let offset = match from {
                    From::End => Offset::Offset(self.end_of(name, partition)?),
                    From::Beginning => Offset::Beginning,
                };
                list.add_partition_offset(name, partition, offset)?;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.incremental_assign(&list)?;
        for element in list.elements() {
            self.read
                .insert(element.topic().to_owned(), element.partition() + 1);
        }
        Ok(())
    }

    fn end_of(&self, topic: &str, partition: i32) -> KafkaResult<i64> {
        let until = Instant::now() + ANSWERS_WITHIN;
        loop {
            match self
                .consumer
                .fetch_watermarks(topic, partition, ANSWER_WITHIN)
            {
                Ok((_, end)) => return Ok(end),
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => thread::park_timeout(POLL),
            }
        }
    }
}
