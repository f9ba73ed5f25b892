//! The object store of components, message by message: JetStream's own layout, so that its tools see the
//! components too.
//!
//! ```text
//! $O.<bucket>.M.<name>   what an object is, and the notes beside it; one message
//! $O.<bucket>.C.<id>     its content, in chunks; the id is another one each time that it is stored
//! ```
//!
//! Not by way of the client's object store: that leaves the chunks of what it could not store, cannot
//! change notes only as they were read, and cannot remove anything where there is no room for a mark.

use std::collections::{BTreeMap, HashMap};

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError, PublishErrorKind},
    message::PublishMessage,
    object_store::{ObjectInfo, ObjectOptions},
    stream::{DeleteMessageErrorKind, LastRawMessageErrorKind, Stream},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{
    attempt::{AttemptError, attempts, error_code},
    reading::{StoredAt, nanos},
};
use crate::{
    Digest, StoreError,
    limits::{COLLECTED_AT_ONCE_MAX, STORE_CALL_WAIT_MAX},
};

/// Objects that are looked at at once.
const LOOKS_AT_ONCE: usize = 16;

/// The components in the store.
#[derive(Clone)]
pub(super) struct Objects {
    pub(super) context: jetstream::Context,
    pub(super) stream: Stream,
    /// The bucket's name.
    pub(super) bucket: String,
}

/// What the store says of one component.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) digest: Digest,
    pub(super) info: ObjectInfo,
    /// Of the message that says so: another one when anything about it was changed.
    pub(super) sequence: u64,
    /// When that was, by the server's clock.
    pub(super) touched_at: StoredAt,
}

/// All that there is.
pub(super) struct Listing {
    pub(super) objects: Vec<Object>,
    /// Content of which nothing says what it is.
    pub(super) orphans: Vec<String>,
}

impl Object {
    pub(super) fn notes(&self) -> &HashMap<String, String> {
        &self.info.metadata
    }
}

impl Objects {
    /// What the store says of a component; `None` if it does not have it.
    pub(super) async fn look(&self, digest: Digest) -> Result<Option<Object>, StoreError> {
        let (what, subject) = (format!("look for component {digest}"), self.about(digest));
        let look = || self.look_at(&subject);
        attempts(&what, STORE_CALL_WAIT_MAX, look).await
    }

    async fn look_at(&self, subject: &str) -> Result<Option<Object>, AttemptError> {
        let message = match self.stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(None);
            }
            Err(error) => return Err(AttemptError::again(error)),
        };
        let info: ObjectInfo =
            serde_json::from_slice(&message.payload).map_err(AttemptError::again)?;
        let Some(digest) = digest_of(&info.name) else {
            return Ok(None);
        };
        // Another client's mark for one that was removed.
        if info.deleted {
            return Ok(None);
        }
        Ok(Some(Object {
            digest,
            info,
            sequence: message.sequence,
            touched_at: StoredAt(nanos(message.time.unix_timestamp_nanos())),
        }))
    }

    /// Whether all of its content is there.
    pub(super) async fn is_whole(&self, object: &Object, bytes: usize) -> Result<bool, StoreError> {
        let subject = self.content(&object.info.nuid);
        let chunks = self.subjects(&subject).await?;
        let chunks = chunks.get(&subject).copied().unwrap_or(0);
        Ok(object.info.size == bytes && chunks == object.info.chunks)
    }

    /// Stores one chunk of what will be an object.
    pub(super) async fn put_chunk(&self, id: &str, chunk: Bytes) -> Result<(), AttemptError> {
        let message = PublishMessage::build().payload(chunk);
        let published = self.publish(self.content(id), message).await;
        published.map_err(AttemptError::again)
    }

    /// Says what an object is, in place of what `sequence` says; of nothing where that is 0. Answers
    /// whether it was so.
    pub(super) async fn put_info(
        &self,
        info: &ObjectInfo,
        sequence: u64,
    ) -> Result<bool, AttemptError> {
        let json = serde_json::to_vec(info).map_err(AttemptError::again)?;
        let message = PublishMessage::build()
            .payload(json.into())
            .header("Nats-Rollup", "sub")
            .expected_last_subject_sequence(sequence);
        let subject = format!("$O.{}.M.{}", self.bucket, URL_SAFE.encode(&info.name));
        match self.publish(subject, message).await {
            Err(error) if is_another_sequence(&error) => Ok(false),
            published => published.map(|()| true).map_err(AttemptError::again),
        }
    }

    async fn publish(&self, subject: String, message: PublishMessage) -> Result<(), PublishError> {
        self.context.send_publish(subject, message).await?.await?;
        Ok(())
    }

    /// Removes an object, if it is still what was looked at; answers whether it was. No mark is left, and
    /// so no room is needed.
    pub(super) async fn remove(&self, object: &Object) -> Result<bool, StoreError> {
        let what = format!("remove component {}", object.digest);
        let delete = || async {
            match self.stream.delete_message(object.sequence).await {
                Ok(_) => Ok(true),
                Err(error) if is_gone(error.kind()) => Ok(false),
                Err(error) => Err(AttemptError::again(error)),
            }
        };
        if !attempts(&what, STORE_CALL_WAIT_MAX, delete).await? {
            return Ok(false);
        }
        // Nothing says any more what it is. Where this fails, the next collection finds it.
        self.remove_content(&self.content(&object.info.nuid))
            .await?;
        Ok(true)
    }

    /// Removes the content of an object.
    pub(super) async fn remove_content(&self, subject: &str) -> Result<(), StoreError> {
        let purge = || async {
            let purged = self.stream.purge().filter(subject).await;
            purged.map(drop).map_err(AttemptError::again)
        };
        attempts("remove a component's content", STORE_CALL_WAIT_MAX, purge).await
    }

    /// When the last chunk of some content was stored.
    pub(super) async fn content_stored_at(
        &self,
        subject: &str,
    ) -> Result<Option<StoredAt>, StoreError> {
        let look = || async {
            match self.stream.get_last_raw_message_by_subject(subject).await {
                Ok(message) => Ok(Some(StoredAt(nanos(message.time.unix_timestamp_nanos())))),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(AttemptError::again(error)),
            }
        };
        attempts("look at a component's content", STORE_CALL_WAIT_MAX, look).await
    }

    /// All that there is.
    pub(super) async fn list(&self) -> Result<Listing, StoreError> {
        // Content first: what was stored since then has nobody looking at it.
        let mut content = self.subjects(&format!("$O.{}.C.*", self.bucket)).await?;
        let about = self.subjects(&format!("$O.{}.M.*", self.bucket)).await?;
        let looks = about
            .into_keys()
            .take(COLLECTED_AT_ONCE_MAX)
            .map(async |subject| {
                let look = || self.look_at(&subject);
                let found = attempts("look at a component", STORE_CALL_WAIT_MAX, look).await;
                found.map(|object| (subject.clone(), object))
            });
        let looks = futures::stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
        let looks: Vec<(String, Option<Object>)> = looks.try_collect().await?;
        let is_all =
            looks.len() < COLLECTED_AT_ONCE_MAX && looks.iter().all(|(_, object)| object.is_some());
        let objects: Vec<Object> = looks.into_iter().filter_map(|(_, object)| object).collect();
        for object in &objects {
            content.remove(&self.content(&object.info.nuid));
        }
        // Somebody else's objects have content too.
        let orphans = if is_all {
            content.into_keys().collect()
        } else {
            Vec::new()
        };
        Ok(Listing { objects, orphans })
    }

    /// Subjects that the stream has messages of, and how many.
    async fn subjects(&self, filter: &str) -> Result<BTreeMap<String, usize>, StoreError> {
        let list = || async {
            let subjects = self.stream.info_with_subjects(filter).await;
            let subjects = subjects.map_err(AttemptError::again)?;
            subjects.try_collect().await.map_err(AttemptError::again)
        };
        attempts("list the components", STORE_CALL_WAIT_MAX, list).await
    }

    /// The subject of what is said of a component.
    fn about(&self, digest: Digest) -> String {
        format!("$O.{}.M.{}", self.bucket, URL_SAFE.encode(digest.to_hex()))
    }

    /// The subject of content.
    pub(super) fn content(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.bucket)
    }

    /// What will be said of a component whose content is stored under `id`.
    pub(super) fn info_of(
        &self,
        digest: Digest,
        id: &str,
        (bytes, chunks, chunk_bytes): (usize, usize, usize),
        metadata: HashMap<String, String>,
    ) -> ObjectInfo {
        ObjectInfo {
            name: digest.to_hex(),
            description: None,
            metadata,
            headers: None,
            options: Some(ObjectOptions {
                link: None,
                max_chunk_size: Some(chunk_bytes),
            }),
            bucket: self.bucket.clone(),
            nuid: id.to_owned(),
            size: bytes,
            chunks,
            // Its message has the server's time.
            modified: None,
            digest: Some(format!("SHA-256={}", URL_SAFE.encode(digest.bytes()))),
            deleted: false,
        }
    }
}

/// The digest that an object is named by, if it is one of ours.
fn digest_of(name: &str) -> Option<Digest> {
    format!("sha256:{name}").parse().ok()
}

/// Whether somebody else has changed it. Servers have two codes for it.
fn is_another_sequence(error: &PublishError) -> bool {
    error.kind() == PublishErrorKind::WrongLastSequence
        || error_code(error) == Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}

/// Whether there was nothing left to remove.
fn is_gone(kind: DeleteMessageErrorKind) -> bool {
    let DeleteMessageErrorKind::JetStream(error) = kind else {
        return false;
    };
    let codes = [
        ErrorCode::STREAM_MESSAGE_DELETE_FAILED,
        ErrorCode::SEQUENCE_NOT_FOUND,
        ErrorCode::NO_MESSAGE_FOUND,
    ];
    codes.contains(&error.error_code())
}
