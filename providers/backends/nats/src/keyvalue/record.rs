//! One key: read, written, removed.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap, Request, StatusCode,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_MESSAGE_TTL, NATS_ROLLUP},
    jetstream::{
        ErrorCode,
        message::StreamMessage,
        publish::PublishAck,
        response::Response,
        stream::{DirectGetErrorKind, LastRawMessageErrorKind},
    },
};
use bytes::Bytes;
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, FirstAnswer, Key, KeyValueError, Limit, SwapOutcome};
use wrt_protocol::{Fault, FaultKind, Hop, IdempotencyKey};

use super::{bucket::Opened, names::encode_key};
use crate::{
    Nats,
    attempt::{Earlier, Failure, attempts},
    refusal::{has_no_leader, has_no_room},
};

/// The header by which NATS's own tools tell a mark from a value.
pub(super) const OPERATION: &str = "KV-Operation";

/// The header of a mark that the server has made by itself.
pub(super) const MARKER_REASON: &str = "Nats-Marker-Reason";

/// The headers of a [`First`].
const FIRST_KEY: &str = "Wrt-Key";
const FIRST_ANSWER: &str = "Wrt-Answer";

/// How long the mark of a deleted key stays. It tells those who watch the bucket, and a swap that
/// was read before, that the key is gone.
const MARK_TTL: Duration = Duration::from_secs(60 * 60);

/// Room in a message for what is not the value.
const HEADERS_BYTES_MAX: usize = 1024;

/// The operation that wrote a message, and what it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) key: IdempotencyKey,
    pub(crate) answer: FirstAnswer,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) value: Bytes,
    /// Which entry of its batch it is, from 0.
    pub(crate) entry: usize,
    /// Only if that is still the key's revision.
    pub(crate) expected: Option<u64>,
    pub(crate) first: Option<First>,
}

/// The last message of a key.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Its value; none where it was never set, or is marked as deleted.
    pub(crate) value: Option<Bytes>,
    /// Its sequence number; 0 where there is no message.
    pub(crate) revision: u64,
    /// The operation that wrote it, if that is to be executed once.
    pub(crate) first: Option<First>,
}

impl From<StreamMessage> for Record {
    fn from(message: StreamMessage) -> Self {
        Self {
            first: First::read(&message.headers),
            value: (!is_mark(&message.headers)).then_some(message.payload),
            revision: message.sequence,
        }
    }
}

impl First {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let (key, answer) = (headers.get(FIRST_KEY)?, headers.get(FIRST_ANSWER)?);
        Some(Self {
            key: IdempotencyKey(u128::from_str_radix(key.as_str(), 16).ok()?),
            answer: answer.as_str().parse().ok()?,
        })
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(FIRST_KEY, self.key.to_string());
        headers.insert(FIRST_ANSWER, self.answer.to_string());
    }
}

pub(super) fn is_mark(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some() || headers.get(MARKER_REASON).is_some()
}

impl Nats {
    /// Reads a key.
    pub(crate) async fn read(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Record, KeyValueError> {
        attempts(context, self.client(), |_earlier| async {
            let Some(opened) = self.find(bucket).await? else {
                return Ok(Record::default());
            };
            let read = read_once(&opened, key).await;
            self.forget_unless_there(bucket, &read);
            read
        })
        .await
    }

    /// Sets a key.
    pub(crate) async fn write(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        write: Write,
    ) -> Result<SwapOutcome, KeyValueError> {
        let Write {
            value,
            entry,
            expected,
            first,
        } = write;
        let payload_max = self.client().server_info().max_payload;
        Limit::ValueBytes.check(value.len(), payload_max.saturating_sub(HEADERS_BYTES_MAX))?;
        let mut headers = HeaderMap::new();
        let id = self.message_id(context, entry, expected);
        headers.insert(NATS_MESSAGE_ID, id.as_str());
        if let Some(revision) = expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        }
        if let Some(first) = first {
            first.write(&mut headers);
        }
        let (headers, value, id) = (&headers, &value, id.as_str());
        attempts(context, self.client(), |earlier| async move {
            let opened = self.find_or_make(bucket).await?;
            let done = self
                .publish(&opened, key, headers.clone(), value.clone())
                .await;
            self.forget_unless_there(bucket, &done);
            match (done?, earlier) {
                // It carries its answer, so whoever reads the key again knows.
                (SwapOutcome::Failed, _) if first.is_some() => Ok(SwapOutcome::Failed),
                (SwapOutcome::Failed, Earlier::Maybe) => failed_by_itself(&opened, key, id).await,
                (outcome, _) => Ok(outcome),
            }
        })
        .await
    }

    /// Sets one key of a batch.
    pub(crate) async fn write_entry(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        (entry, (key, value)): (usize, &(Key, Bytes)),
    ) -> Result<(), KeyValueError> {
        let value = value.clone();
        self.set_value(context, bucket, key, value, entry).await
    }

    /// Removes a key, if it is there.
    pub(crate) async fn remove(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        (entry, key): (usize, &Key),
    ) -> Result<(), KeyValueError> {
        if self.deduplicates_for().is_some() {
            return self.remove_over(context, bucket, (entry, key)).await;
        }
        // A mark for a key that is not there would only take room.
        if self.read(context, bucket, key).await?.value.is_none() {
            return Ok(());
        }
        self.mark(context, bucket, (entry, key), None)
            .await
            .map(drop)
    }

    /// Marks a key as deleted; where `expected` is given, only if that is still its revision.
    pub(super) async fn mark(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        (entry, key): (usize, &Key),
        expected: Option<u64>,
    ) -> Result<SwapOutcome, KeyValueError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, self.message_id(context, entry, expected));
        headers.insert(OPERATION, "PURGE");
        headers.insert(NATS_ROLLUP, "sub");
        if let Some(revision) = expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        }
        attempts(context, self.client(), |_earlier| async {
            let Some(opened) = self.find(bucket).await? else {
                return Ok(SwapOutcome::Swapped);
            };
            let mut headers = headers.clone();
            if opened.marks_expire {
                headers.insert(NATS_MESSAGE_TTL, MARK_TTL.as_secs().to_string());
            }
            let done = self.publish(&opened, key, headers, Bytes::new()).await;
            self.forget_unless_there(bucket, &done);
            done
        })
        .await
    }

    /// The id of a message that writes. It comes from the operation's key, so that an operation that is
    /// repeated, also from another node, is not written again over what others wrote meanwhile, for
    /// as long as the server remembers ids. A write upon a revision has that in its id, too: when it
    /// is refused, the operation goes on with another one, and the servers of a cluster may remember
    /// the id of a message that they then refuse.
    fn message_id(&self, context: &CallContext, entry: usize, expected: Option<u64>) -> String {
        match (context.key(), expected) {
            (None, _) => self.client().new_inbox(),
            (Some(key), None) => format!("{key}.{entry}"),
            (Some(key), Some(revision)) => format!("{key}.{entry}.{revision}"),
        }
    }

    pub(super) async fn publish(
        &self,
        opened: &Arc<Opened>,
        key: &Key,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<SwapOutcome, Failure> {
        let subject = opened.subject_prefix.clone() + &encode_key(key);
        // The attempt has a limit of its own.
        let request = Request::new()
            .headers(headers)
            .payload(payload)
            .timeout(None);
        let message = self.client().send_request(subject, request).await?;
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(Failure::NotDone("no stream takes the message".to_owned()));
        }
        let answer: Response<PublishAck> = serde_json::from_slice(&message.payload)
            .map_err(|error| Failure::Unknown(error.to_string()))?;
        let Response::Err { error } = answer else {
            return Ok(SwapOutcome::Swapped);
        };
        match error.error_code() {
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE => Ok(SwapOutcome::Failed),
            _ if has_no_leader(&error) => Err(Failure::NotDone(error.to_string())),
            _ if has_no_room(&error) => Err(Failure::Final(KeyValueError::Full)),
            _ => Err(Failure::Final(KeyValueError::other(error.to_string()))),
        }
    }

    fn forget_unless_there<T>(&self, bucket: &Bucket, outcome: &Result<T, Failure>) {
        if let Err(Failure::NotDone(_)) = outcome {
            self.buckets().forget(bucket);
        }
    }
}

/// Whether an earlier attempt has done what this one could not do again: the server compares
/// revisions before it looks for ids.
async fn failed_by_itself(opened: &Opened, key: &Key, id: &str) -> Result<SwapOutcome, Failure> {
    let last = last_message(opened, key).await?;
    let last_id = last
        .as_ref()
        .and_then(|last| last.headers.get(NATS_MESSAGE_ID));
    if last_id.is_some_and(|last_id| last_id.as_str() == id) {
        return Ok(SwapOutcome::Swapped);
    }
    // Somebody else was last. Whether before the lost attempt or after it, the server does not tell.
    let detail = "nats: an answer was lost, and the key has changed since";
    let fault = Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail);
    Err(Failure::Final(fault.into()))
}

async fn read_once(opened: &Opened, key: &Key) -> Result<Record, Failure> {
    let last = last_message(opened, key).await?;
    Ok(last.map(Record::from).unwrap_or_default())
}

pub(super) async fn last_message(
    opened: &Opened,
    key: &Key,
) -> Result<Option<StreamMessage>, Failure> {
    let subject = opened.subject_prefix.clone() + &encode_key(key);
    let not_done = |reason: String| Err(Failure::NotDone(reason));
    if opened.reads_direct {
        return match opened.stream.direct_get_last_for_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => not_done(error.to_string()),
        };
    }
    match opened
        .stream
        .get_last_raw_message_by_subject(&subject)
        .await
    {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => not_done(error.to_string()),
    }
}
