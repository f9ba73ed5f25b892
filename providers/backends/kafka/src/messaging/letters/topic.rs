//! The topic of a component's dead letters: letters, and marks of those that are removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{Message as _, OwnedMessage},
};

use super::super::wire::text_of;
use crate::{Kafka, context::Context};

/// Says which letter of its partition is removed.
pub(super) const REMOVED: &str = "Wrt-Dead-Removed";
/// What every letter says, and no mark.
const COMPONENT: &str = "Wrt-Dead-Component";
const POLL: Duration = Duration::from_millis(100);

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Place {
    pub(super) fn read(id: &str) -> Option<Self> {
        let (partition, offset) = id.split_once('-')?;
        let place = Self {
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        };
        (place.partition >= 0 && place.offset >= 0).then_some(place)
    }

    pub(super) fn id(self) -> String {
        format!("{}-{}", self.partition, self.offset)
    }
}

/// What a record of the topic is.
pub(super) enum Record {
    Letter(Place),
    Mark(Place),
}

pub(super) fn kind_of(record: &OwnedMessage) -> Record {
    let place = |offset| Place {
        partition: record.partition(),
        offset,
    };
    let removed = text_of(record, REMOVED).and_then(|offset| offset.parse().ok());
    // A letter has all headers that its record had, and another program may have written those.
    match removed.filter(|_| text_of(record, COMPONENT).is_none()) {
        Some(removed) => Record::Mark(place(removed)),
        None => Record::Letter(place(record.offset())),
    }
}

/// What was read of the topic, by partition: from where, and to where.
pub(super) type Read = BTreeMap<i32, (i64, i64)>;

/// A client that reads letters, when nobody does. To connect one and to close it takes far longer than to read
/// what there is.
#[derive(Default)]
pub(crate) struct KeptReader(Mutex<Option<BaseConsumer<Context>>>);

impl KeptReader {
    pub(crate) fn take(&self) -> Option<BaseConsumer<Context>> {
        self.0.lock().take()
    }

    fn keep(&self, reader: BaseConsumer<Context>) {
        // Closing the one before it waits.
        let _before = self.0.lock().replace(reader);
    }
}

/// Blocks, for so long at most.
pub(super) fn read_to_end(
    kafka: &Kafka,
    topic: &str,
    from: Option<Place>,
    within: Duration,
    with: &mut impl FnMut(&OwnedMessage),
) -> KafkaResult<Read> {
    let kept = kafka.letters_reader();
    let reader = kept.take().map_or_else(|| open(kafka), Ok)?;
    let read = read_by(&reader, topic, from, within, with)?;
    reader.unassign()?;
    kept.keep(reader);
    Ok(read)
}

fn open(kafka: &Kafka) -> KafkaResult<BaseConsumer<Context>> {
    let mut settings = kafka.config().client();
    for (name, value) in [
        // Of no group: nothing is committed, and nobody is joined.
        ("group.id", "wrt-letters"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("queued.max.messages.kbytes", "16384"),
        // The next one who reads waits for the last request, which waits for more than there is.
        ("fetch.wait.max.ms", "5"),
    ] {
        settings.set(name, value);
    }
    settings.create_with_context(kafka.context().clone())
}

fn read_by(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    from: Option<Place>,
    within: Duration,
    with: &mut impl FnMut(&OwnedMessage),
) -> KafkaResult<Read> {
    let until = Instant::now() + within;
    let left = || until.saturating_duration_since(Instant::now());
    let metadata = consumer.fetch_metadata(Some(topic), left())?;
    let topics = metadata.topics().iter().filter(|it| it.name() == topic);
    let partitions = topics.flat_map(|it| it.partitions()).map(|it| it.id());
    let wanted = |id: &i32| from.is_none_or(|from| from.partition == *id);
    let (mut read, mut list) = (Read::new(), TopicPartitionList::new());
    for partition in partitions.filter(wanted) {
        let (begin, end) = consumer.fetch_watermarks(topic, partition, left())?;
        let begin = from.map_or(begin, |from| from.offset.max(begin));
        if begin < end {
            list.add_partition_offset(topic, partition, Offset::Offset(begin))?;
            read.insert(partition, (begin, end));
        }
    }
    consumer.assign(&list)?;
    let mut open: BTreeSet<i32> = read.keys().copied().collect();
    while !open.is_empty() {
        if left().is_zero() {
            return Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::OperationTimedOut,
            ));
        }
        let Some(record) = consumer.poll(POLL.min(left())) else {
            // Those at the end may be none: of a transaction, or deleted meanwhile.
            close_those_at_their_end(consumer, topic, &read, &mut open)?;
            continue;
        };
        let record = record?.detach();
        let end = read.get(&record.partition()).map_or(0, |(_, end)| *end);
        if record.offset() < end {
            with(&record);
        }
        if record.offset() + 1 >= end {
            open.remove(&record.partition());
        }
    }
    Ok(read)
}

fn close_those_at_their_end(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    read: &Read,
    open: &mut BTreeSet<i32>,
) -> KafkaResult<()> {
    let positions = consumer.position()?;
    open.retain(|partition| {
        let position = positions.find_partition(topic, *partition);
        let at = position.map(|position| position.offset());
        let end = read.get(partition).map_or(0, |(_, end)| *end);
        !matches!(at, Some(Offset::Offset(at)) if at >= end)
    });
    Ok(())
}
