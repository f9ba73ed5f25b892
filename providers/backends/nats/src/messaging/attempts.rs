//! Attempts that have failed, counted where all nodes find them: JetStream counts deliveries, and not every
//! delivery is an attempt.

use std::time::Duration;

use async_nats::jetstream::{kv, message::Info, stream::StorageType};
use bytes::Bytes;

use crate::{ConnectError, Nats};

/// After this time without a further failure a message counts as new.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long an answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Where a message is in a stream. A stream that is made anew under the name of another counts from 1 again,
/// so the time at which the message was stored is a part of it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) stream: &'a str,
    pub(super) sequence: u64,
    pub(super) stored_nanos: i128,
}

impl<'a> Place<'a> {
    /// As the server says of a message.
    pub(super) fn of(stream: &'a str, info: &Info<'_>) -> Self {
        Self {
            stream,
            sequence: info.stream_sequence,
            stored_nanos: info.published.unix_timestamp_nanos(),
        }
    }
}

/// The failed attempts of a group's messages. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct FailedAttempts {
    store: kv::Store,
    group: String,
}

impl Nats {
    /// Those of `group`. Their bucket is made if it is not there; its name is no guest's bucket's.
    pub(super) async fn failed_attempts(
        &self,
        group: &str,
    ) -> Result<FailedAttempts, ConnectError> {
        let store = self.own_bucket(
            "attempts",
            "failed attempts to handle messages",
            FORGOTTEN_AFTER,
        );
        let (store, group) = (store.await?, group.to_owned());
        Ok(FailedAttempts { store, group })
    }

    /// No guest's bucket is called so.
    pub(super) fn own_bucket_name(&self, name: &str) -> String {
        format!("{}_-{name}", self.config().bucket_prefix)
    }

    /// A bucket of this provider's own, made if it is not there. What is in it is forgotten after a time; zero
    /// keeps it.
    pub(super) async fn own_bucket(
        &self,
        name: &str,
        description: &str,
        max_age: Duration,
    ) -> Result<kv::Store, ConnectError> {
        let bucket = self.own_bucket_name(name);
        if let Ok(store) = self.jetstream().get_key_value(&bucket).await {
            return Ok(store);
        }
        let made = self.jetstream().create_key_value(kv::Config {
            bucket: bucket.clone(),
            description: description.to_owned(),
            history: 1,
            max_age,
            storage: StorageType::from(self.config().storage),
            num_replicas: self.config().replicas,
            ..kv::Config::default()
        });
        made.await.map_err(|error| ConnectError::JetStream {
            what: format!("cannot make the bucket {bucket}"),
            source: error.into(),
        })
    }
}

impl FailedAttempts {
    /// How many of a message have failed; none where nobody says.
    pub(super) async fn of(&self, place: &Place<'_>) -> Option<u32> {
        let key = self.key(place);
        let read = tokio::time::timeout(ANSWER_WITHIN, self.store.get(key)).await;
        match read.ok()?.ok()? {
            None => Some(0),
            Some(count) => std::str::from_utf8(&count).ok()?.parse().ok(),
        }
    }

    /// So many have.
    pub(super) async fn set(&self, place: &Place<'_>, failed: u32) -> bool {
        let key = self.key(place);
        let count = Bytes::from(failed.to_string());
        let set = tokio::time::timeout(ANSWER_WITHIN, self.store.put(key, count)).await;
        matches!(set, Ok(Ok(_)))
    }

    /// The message is done with. What cannot be removed goes with its time.
    pub(super) async fn remove(&self, place: &Place<'_>) {
        let key = self.key(place);
        let _goes_by_itself = tokio::time::timeout(ANSWER_WITHIN, self.store.purge(key)).await;
    }

    fn key(&self, place: &Place<'_>) -> String {
        // Names of streams have characters that are none of keys.
        let stream = place.stream.bytes().map(|byte| format!("{byte:02x}"));
        let stream: String = stream.collect();
        let Place {
            sequence,
            stored_nanos,
            ..
        } = place;
        format!("{}.{stream}.{sequence}.{stored_nanos}", self.group)
    }
}
