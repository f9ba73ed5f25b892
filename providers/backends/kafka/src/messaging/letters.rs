//! What an operator does with dead letters. Kafka removes no single record: one that is dropped has a mark behind
//! it in its partition, and what lies before the first that is left is deleted when they are listed.

mod page;
mod topic;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::AdminOptions,
    error::{KafkaError, KafkaResult},
    message::{Message as _, OwnedHeaders, OwnedMessage},
    producer::FutureRecord,
};
use tokio::task::spawn_blocking;
use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{Message, Topic, limits::REPLY_MARGIN, opened};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{DeadLetter, DeadLetterError, DeadLetterPage, DeadLetters, OpenedLetter, short};

use super::wire::{header, last_text_of, reply_of};
use crate::{Kafka, admin::Admin};
use page::{Looked, Rank};
pub(crate) use topic::KeptReader;
use topic::{Place, REMOVED, Read, Record, kind_of, read_to_end};

/// How long brokers may take for a mark, or to delete.
const DONE_WITHIN: Duration = Duration::from_secs(5);

impl Kafka {
    pub(super) fn topic_of_letters(&self, component: &str) -> String {
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
        let topic = self.topic_of_letters(component);
        let up_to = up_to.into_iter();
        let up_to = up_to.map(|(partition, offset)| (partition, Offset::Offset(offset)));
        if let Err(error) = self.delete_records(&topic, up_to.collect()).await {
            tracing::info!(%topic, %error, "kafka: removed dead letters are not deleted");
        }
    }

    /// Deletes what lies before an offset of each partition.
    pub(super) async fn delete_records(
        &self,
        topic: &str,
        up_to: Vec<(i32, Offset)>,
    ) -> KafkaResult<()> {
        if up_to.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in up_to {
            list.add_partition_offset(topic, partition, offset)?;
        }
        let admin = Admin::of(self.config(), self.context())?;
        let options = AdminOptions::new()
            .operation_timeout(Some(DONE_WITHIN))
            .request_timeout(Some(DONE_WITHIN));
        let deleted = admin.delete_records(&list, &options).await?;
        let mut elements = deleted.elements().into_iter();
        elements.try_for_each(|element| element.error())
    }
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
        let looked = Arc::new(Mutex::new(Looked::behind(after)));
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
    // What its own record had under these names stands before.
    let of = |name| short(last_text_of(letter, name).unwrap_or_default()).to_owned();
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
    let topic = last_text_of(letter, "Wrt-Dead-Topic").unwrap_or_default();
    let mut message = reply_of(letter);
    let no_topic = |_| DeadLetterError::Service(format!("{:?} is no topic", short(topic)));
    message.topic = Some(Topic::new(topic).map_err(no_topic)?);
    Ok(message)
}
