//! What there is in a container: one message for each object.

use std::collections::HashMap;

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    message::StreamMessage,
    object_store,
    stream::{DirectGetErrorKind, LastRawMessageErrorKind},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use futures::StreamExt as _;
use wrt_blobstore::{
    BlobstoreError, Cursor, ObjectId, ObjectName, ObjectPage, Timestamp, limits::PAGE_NAMES_MAX,
};
use wrt_contract::CallContext;

use super::{container::Opened, timestamp};
use crate::{
    Nats,
    attempt::{CONSUMER_IDLE_MAX, Failure, attempts},
};

/// An object, and what is known of it.
pub(super) struct Found {
    pub(super) info: object_store::ObjectInfo,
    pub(super) created_at: Timestamp,
}

type Attempt<T> = Result<T, Failure<BlobstoreError>>;

/// What a message says of an object; nothing, where another client has marked it as deleted, or it says
/// nothing that can be read.
pub(super) fn told(payload: &[u8]) -> Option<object_store::ObjectInfo> {
    let info: object_store::ObjectInfo = serde_json::from_slice(payload).ok()?;
    (!info.deleted).then_some(info)
}

/// The id of the bytes that a message names, if it names any.
///
/// # Errors
/// Of one that cannot be read: it may name any.
pub(super) fn named_by(payload: &[u8]) -> Result<Option<String>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Names {
        nuid: String,
        #[serde(default)]
        deleted: bool,
    }
    let names: Names = serde_json::from_slice(payload)?;
    Ok((!names.deleted).then_some(names.nuid))
}

pub(super) fn encoded(object: &ObjectName) -> String {
    URL_SAFE.encode(object.as_str())
}

impl Nats {
    /// An object that is there.
    pub(super) async fn object(
        &self,
        context: &CallContext,
        container: &Opened,
        object: &ObjectId,
    ) -> Result<Found, BlobstoreError> {
        let subject = container.objects() + &encoded(&object.object);
        let read = |_earlier| last_message(container, &subject);
        let message = attempts(context, self.client(), read).await?;
        let message = message.ok_or_else(|| object.missing())?;
        let info = told(&message.payload).ok_or_else(|| object.missing())?;
        if info
            .options
            .as_ref()
            .is_some_and(|options| options.link.is_some())
        {
            let text = format!("nats: {object} is a link of another client, which is not followed");
            return Err(BlobstoreError::other(text));
        }
        Ok(Found {
            info,
            created_at: timestamp(message.time.unix_timestamp()),
        })
    }

    /// Removes an object, if it is there. No mark is left, so no room is needed.
    pub(super) async fn remove_object(
        &self,
        context: &CallContext,
        container: &Opened,
        object: &ObjectName,
    ) -> Result<(), BlobstoreError> {
        let subject = container.objects() + &encoded(object);
        self.purge(context, container, &subject).await
    }

    /// Removes all objects, as one step.
    pub(super) async fn remove_all(
        &self,
        context: &CallContext,
        container: &Opened,
    ) -> Result<(), BlobstoreError> {
        let all = container.objects() + ">";
        self.purge(context, container, &all).await
    }

    async fn purge(
        &self,
        context: &CallContext,
        container: &Opened,
        subject: &str,
    ) -> Result<(), BlobstoreError> {
        attempts(context, self.client(), |_earlier| async {
            let purged = container.stream.purge().filter(subject).await;
            purged
                .map(drop)
                .map_err(|error| Failure::<BlobstoreError>::Unknown(error.to_string()))
        })
        .await?;
        self.containers().touched(self, &container.name);
        Ok(())
    }

    /// A page of objects, in the order in which they were written last. One that is written again moves to
    /// the end, and is listed again rather than missed; a listing ends when it has caught up with writers.
    pub(super) async fn list(
        &self,
        context: &CallContext,
        container: &Opened,
        cursor: Option<Cursor>,
    ) -> Result<ObjectPage, BlobstoreError> {
        let start = cursor.map_or(1, |cursor| cursor.0.max(1));
        let page = |_earlier| messages_from(container, start);
        let (messages, next) = attempts(context, self.client(), page).await?;
        let names = messages.iter().filter_map(|payload| {
            let info = told(payload)?;
            ObjectName::new(&info.name).ok()
        });
        Ok(ObjectPage {
            objects: names.collect(),
            next: next.map(Cursor),
        })
    }
}

/// What is said of some objects, and where the next ones begin.
pub(super) async fn messages_from(
    container: &Opened,
    start_sequence: u64,
) -> Attempt<(Vec<Bytes>, Option<u64>)> {
    let consumer = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
        filter_subject: container.objects() + ">",
        ack_policy: AckPolicy::None,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: CONSUMER_IDLE_MAX,
        ..pull::Config::default()
    };
    let not_done = |error: &dyn std::fmt::Display| Failure::NotDone(error.to_string());
    let made = container.stream.create_consumer(consumer).await;
    let consumer = made.map_err(|error| not_done(&error))?;
    let fetched = consumer
        .fetch()
        .max_messages(PAGE_NAMES_MAX)
        .messages()
        .await;
    let mut messages = fetched.map_err(|error| not_done(&error))?;
    let (mut told, mut next) = (Vec::new(), None);
    while let Some(message) = messages.next().await {
        let message = message.map_err(|error| not_done(&error))?;
        let info = message.info().map_err(|error| not_done(&error))?;
        next = (info.pending > 0).then_some(info.stream_sequence + 1);
        told.push(message.payload.clone());
    }
    // The server removes it by itself soon.
    let name = &consumer.cached_info().name;
    if let Err(error) = container.stream.delete_consumer(name).await {
        tracing::debug!(name, %error, "a consumer is left to the server");
    }
    Ok((told, next))
}

/// The same in the words of whoever has all of the container: a consumer may be served by one that is behind,
/// and has not heard of what is there. One request for each.
pub(super) async fn messages_of_leader(
    container: &Opened,
    start_sequence: u64,
) -> Attempt<(Vec<Bytes>, Option<u64>)> {
    let (mut told, mut start) = (Vec::new(), start_sequence);
    while told.len() < PAGE_NAMES_MAX {
        let next = container.stream.raw_message_builder().sequence(start);
        let next = next.next_by_subject(container.objects() + ">").send().await;
        match next {
            Ok(message) => {
                start = message.sequence.saturating_add(1);
                told.push(message.payload);
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok((told, None));
            }
            Err(error) => return Err(Failure::NotDone(error.to_string())),
        }
    }
    Ok((told, Some(start)))
}

async fn last_message(container: &Opened, subject: &str) -> Attempt<Option<StreamMessage>> {
    let stream = &container.stream;
    if container.reads_direct {
        return match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::NotDone(error.to_string())),
        };
    }
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(Failure::NotDone(error.to_string())),
    }
}

/// What will be said of an object.
pub(super) fn info_of(
    id: String,
    (size, chunks, chunk_bytes): (usize, usize, usize),
    digest: &[u8],
    metadata: HashMap<String, String>,
) -> object_store::ObjectInfo {
    object_store::ObjectInfo {
        // Said when it is stored.
        name: String::new(),
        bucket: String::new(),
        description: None,
        metadata,
        headers: None,
        options: Some(object_store::ObjectOptions {
            link: None,
            max_chunk_size: Some(chunk_bytes),
        }),
        nuid: id,
        size,
        chunks,
        // Its message has the server's time.
        modified: None,
        digest: Some(format!("SHA-256={}", URL_SAFE.encode(digest))),
        deleted: false,
    }
}
