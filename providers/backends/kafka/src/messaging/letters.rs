//! What an operator does with dead letters. Kafka removes no single record: one that is dropped has a mark behind
//! it in its partition, and what lies before the first that is left is deleted when they are listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{Message as _, OwnedHeaders, OwnedMessage},
    producer::FutureRecord,
};
use tokio::task::spawn_blocking;
use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{Message, Topic, limits::REPLY_MARGIN, opened};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{
    DeadLetter, DeadLetterError, DeadLetterPage, DeadLetters, OpenedLetter, PAGE_LETTERS_MAX, short,
};

use super::wire::{header, reply_of, text_of};
use crate::{Kafka, context::Context};

/// Says which letter of its partition is removed.
const REMOVED: &str = "Wrt-Dead-Removed";
/// Letters that are looked at for one page: others may be removed among them.
const LOOKED_AT_MAX: usize = 4096;
/// How long brokers may take for a mark, or to delete.
const DONE_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Where a letter is among all of a component: by time, and where that is the same by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    at_millis: i64,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    partition: i32,
    offset: i64,
}

impl Place {
    fn read(id: &str) -> Option<Self> {
        let (partition, offset) = id.split_once('-')?;
        let place = Self {
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        };
        (place.partition >= 0 && place.offset >= 0).then_some(place)
    }

    fn id(self) -> String {
        format!("{}-{}", self.partition, self.offset)
    }
}

impl Rank {
    /// Behind which one a page begins.
    fn read(after: &str) -> Option<Self> {
        let (at_millis, id) = after.split_once('@')?;
        let (at_millis, place) = (at_millis.parse().ok()?, Place::read(id)?);
        Some(Self { at_millis, place })
    }

    fn after(self) -> String {
        format!("{}@{}", self.at_millis, self.place.id())
    }
}

/// What a record of the topic is.
enum Record {
    Letter(Place),
    Mark(Place),
}

fn kind_of(record: &OwnedMessage) -> Record {
    let place = |offset| Place {
        partition: record.partition(),
        offset,
    };
    let removed = text_of(record, REMOVED).and_then(|offset| offset.parse().ok());
    match removed {
        Some(removed) => Record::Mark(place(removed)),
        None => Record::Letter(place(record.offset())),
    }
}

/// What was read of the topic, by partition: from where, and to where.
type Read = BTreeMap<i32, (i64, i64)>;

/// Letters on the way to a page.
#[derive(Default)]
struct Looked {
    after: Option<Rank>,
    letters: BTreeMap<Rank, DeadLetter>,
    /// Some behind those were seen as well.
    is_cut: bool,
    removed: BTreeSet<Place>,
    /// All letters of each partition that have no mark yet.
    left: BTreeSet<Place>,
}

impl Looked {
    fn add(&mut self, record: &OwnedMessage) {
        let place = match kind_of(record) {
            Record::Mark(place) => {
                self.left.remove(&place);
                self.removed.insert(place);
                return;
            }
            Record::Letter(place) => place,
        };
        self.left.insert(place);
        let at_millis = record.timestamp().to_millis().unwrap_or(0);
        let rank = Rank { at_millis, place };
        if self.after.is_some_and(|after| rank <= after) {
            return;
        }
        self.letters.insert(rank, said_of(record, place));
        if self.letters.len() > LOOKED_AT_MAX {
            self.letters.pop_last();
            self.is_cut = true;
        }
    }

    fn page(mut self) -> DeadLetterPage {
        let last_seen = self.letters.last_key_value().map(|(rank, _)| *rank);
        self.letters
            .retain(|rank, _| !self.removed.contains(&rank.place));
        let more = self.letters.len() > PAGE_LETTERS_MAX;
        let taken: Vec<_> = self.letters.into_iter().take(PAGE_LETTERS_MAX).collect();
        let next = match taken.last() {
            Some((rank, _)) if more => Some(*rank),
            _ => last_seen.filter(|_| self.is_cut),
        };
        DeadLetterPage {
            next: next.map(Rank::after),
            letters: taken.into_iter().map(|(_, letter)| letter).collect(),
        }
    }

    /// Up to where nothing is left of each partition that was read from its beginning.
    fn done_up_to(&self, read: &Read) -> Vec<(i32, i64)> {
        let up_to = |(partition, (from, to)): (&i32, &(i64, i64))| {
            let first = |offset| Place {
                partition: *partition,
                offset,
            };
            let left = self.left.range(first(*from)..first(*to)).next();
            let up_to = left.map_or(*to, |place| place.offset);
            (up_to > *from).then_some((*partition, up_to))
        };
        read.iter().filter_map(up_to).collect()
    }
}

impl Kafka {
    fn topic_of_letters(&self, component: &str) -> String {
        format!("{}.{component}", self.config().dead_letter_topic)
    }

    /// Reads the topic of a component to where it ends now: all of it, or a partition from an offset on.
    async fn read_letters(
        &self,
        context: &CallContext,
        component: &str,
        from: Option<Place>,
        mut with: impl FnMut(&OwnedMessage) + Send + 'static,
    ) -> Result<Read, DeadLetterError> {
        let within = context.remaining().saturating_sub(REPLY_MARGIN);
        let (kafka, topic) = (self.clone(), self.topic_of_letters(component));
        let read = spawn_blocking(move || read_to_end(&kafka, &topic, from, within, &mut with));
        let read = read.await.unwrap_or(Err(KafkaError::Canceled));
        read.map_err(|error| {
            let detail = format!("kafka: {error}");
            Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
        })
    }

    async fn letter(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(Place, OwnedMessage), DeadLetterError> {
        let no_such = || DeadLetterError::NoSuchLetter(short(id).to_owned());
        let place = Place::read(id).ok_or_else(no_such)?;
        let found = Arc::new(Mutex::new(None));
        let finds = Arc::clone(&found);
        let look = move |record: &OwnedMessage| match kind_of(record) {
            Record::Letter(at) if at == place => *finds.lock() = Some(record.clone()),
            Record::Mark(at) if at == place => *finds.lock() = None,
            _ => {}
        };
        self.read_letters(context, component, Some(place), look)
            .await?;
        let found = found.lock().take();
        Ok((place, found.ok_or_else(no_such)?))
    }

    async fn mark_removed(&self, component: &str, place: Place) -> Result<(), DeadLetterError> {
        let offset = place.offset.to_string();
        let topic = self.topic_of_letters(component);
        let record = FutureRecord::<str, [u8]>::to(&topic)
            .partition(place.partition)
            .headers(header(OwnedHeaders::new(), REMOVED, &offset))
            .payload(&[]);
        let failed = |error: &dyn std::fmt::Display| {
            let text = format!("the letter {} is not removed: kafka: {error}", place.id());
            DeadLetterError::Service(text)
        };
        let sent = self.producer().send_result(record);
        let sent = sent.map_err(|(error, _)| failed(&error))?;
        let sent = tokio::time::timeout(DONE_WITHIN, sent).await;
        match sent.map_err(|elapsed| failed(&elapsed))? {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(failed(&error)),
            Err(canceled) => Err(failed(&canceled)),
        }
    }

    /// Deletes what nothing is left of. Where that is not allowed it stays, with its marks.
    async fn delete_removed(&self, component: &str, up_to: Vec<(i32, i64)>) {
        if up_to.is_empty() {
            return;
        }
        let topic = self.topic_of_letters(component);
        let deleted: KafkaResult<()> = async {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in up_to {
                list.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
            }
            let admin = self.config().client();
            let admin: AdminClient<Context> = admin.create_with_context(self.context().clone())?;
            let options = AdminOptions::new()
                .operation_timeout(Some(DONE_WITHIN))
                .request_timeout(Some(DONE_WITHIN));
            let deleted = admin.delete_records(&list, &options).await;
            let _joins_a_thread = spawn_blocking(move || drop(admin));
            deleted.map(drop)
        }
        .await;
        if let Err(error) = deleted {
            tracing::info!(%topic, %error, "kafka: removed dead letters are not deleted");
        }
    }
}

/// Blocks, for so long at most.
fn read_to_end(
    kafka: &Kafka,
    topic: &str,
    from: Option<Place>,
    within: Duration,
    with: &mut impl FnMut(&OwnedMessage),
) -> KafkaResult<Read> {
    let until = Instant::now() + within;
    let left = || until.saturating_duration_since(Instant::now());
    let mut settings = kafka.config().client();
    for (name, value) in [
        // Of no group: nothing is committed, and nobody is joined.
        ("group.id", "wrt-letters"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.wait.max.ms", "50"),
    ] {
        settings.set(name, value);
    }
    let consumer: BaseConsumer<Context> = settings.create_with_context(kafka.context().clone())?;
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
            close_those_at_their_end(&consumer, topic, &read, &mut open)?;
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

#[async_trait]
impl DeadLetters for Kafka {
    async fn list(
        &self,
        context: &CallContext,
        component: &str,
        after: Option<String>,
    ) -> Result<DeadLetterPage, DeadLetterError> {
        self.subscribers().of(component)?;
        let after = after.as_deref().and_then(Rank::read);
        let looked = Looked {
            after,
            ..Looked::default()
        };
        let looked = Arc::new(Mutex::new(looked));
        let adds = Arc::clone(&looked);
        let add = move |record: &OwnedMessage| adds.lock().add(record);
        let read = self.read_letters(context, component, None, add).await?;
        let looked = std::mem::take(&mut *looked.lock());
        self.delete_removed(component, looked.done_up_to(&read))
            .await;
        Ok(looked.page())
    }

    async fn open(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<OpenedLetter, DeadLetterError> {
        let (place, letter) = self.letter(context, component, id).await?;
        Ok(opened(said_of(&letter, place), &message_in(&letter)?))
    }

    async fn replay(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError> {
        let subscriber = self.subscribers().of(component)?;
        let (place, letter) = self.letter(context, component, id).await?;
        subscriber.replay(message_in(&letter)?).await?;
        self.mark_removed(component, place).await
    }

    async fn discard(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError> {
        let (place, _) = self.letter(context, component, id).await?;
        self.mark_removed(component, place).await?;
        self.deliveries().dropped();
        Ok(())
    }
}

fn said_of(letter: &OwnedMessage, place: Place) -> DeadLetter {
    let of = |name| short(text_of(letter, name).unwrap_or_default()).to_owned();
    DeadLetter {
        id: place.id(),
        subject: of("Wrt-Dead-Topic"),
        reason: of("Wrt-Dead-Reason"),
        attempts: of("Wrt-Dead-Attempts").parse().unwrap_or(0),
        origin: format!(
            "message {} of partition {} of the topic {}",
            of("Wrt-Dead-Offset"),
            of("Wrt-Dead-Partition"),
            of("Wrt-Dead-Topic")
        ),
        bytes: letter.payload().unwrap_or_default().len() as u64,
    }
}

/// The message as its handler got it.
fn message_in(letter: &OwnedMessage) -> Result<Message, DeadLetterError> {
    let topic = text_of(letter, "Wrt-Dead-Topic").unwrap_or_default();
    let mut message = reply_of(letter);
    let no_topic = |_| DeadLetterError::Service(format!("{:?} is no topic", short(topic)));
    message.topic = Some(Topic::new(topic).map_err(no_topic)?);
    Ok(message)
}
