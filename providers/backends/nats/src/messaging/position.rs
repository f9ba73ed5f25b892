//! Where a subscription in order is, kept where the next owner finds it.

use std::time::Duration;

use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, UpdateErrorKind};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::progress::Progress;
use crate::{ConnectError, Nats};

const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// As it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// When the stream was made: one that is made anew counts from 1 again.
    stream_made_nanos: i64,
    /// Who wrote it.
    epoch: u64,
    progress: Progress,
}

/// The place of a subscription in a stream. Written by its owner alone: a write by anybody else meanwhile
/// makes that of the owner fail.
pub(super) struct Position {
    store: kv::Store,
    key: String,
    stream_made_nanos: i64,
    epoch: u64,
    revision: Option<u64>,
}

/// Why a position is not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotWritten {
    /// Somebody else owns it now.
    NotOurs,
    /// It may be written next time.
    NotNow(String),
}

impl Nats {
    /// The positions of all subscriptions in order.
    pub(super) async fn positions(&self) -> Result<kv::Store, ConnectError> {
        let description = "how far subscriptions in order have come";
        self.own_bucket("positions", description, Duration::ZERO)
            .await
    }
}

/// What the place of a group in a stream is called.
pub(super) fn key(stream: &str, group: &str) -> String {
    let stream: String = stream.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("order.{group}.{stream}")
}

/// Up to where a subscription has come that was in order, and is no more. It is forgotten: what goes on
/// there keeps its own place.
pub(super) async fn left_at(
    nats: &Nats,
    stream: &str,
    group: &str,
    stream_made_nanos: i64,
) -> Option<u64> {
    let bucket = nats.own_bucket_name("positions");
    let store = nats.jetstream().get_key_value(bucket).await.ok()?;
    let key = key(stream, group);
    let (_, progress) = Position::read(&store, key, stream_made_nanos, 0)
        .await
        .ok()?;
    let _is_forgotten = forget(nats, stream, group).await;
    (progress.through > 0).then_some(progress.through)
}

/// Forgets where a group is in a stream, if anybody knows.
pub(super) async fn forget(nats: &Nats, stream: &str, group: &str) -> Result<(), String> {
    let bucket = nats.own_bucket_name("positions");
    let Ok(store) = nats.jetstream().get_key_value(bucket).await else {
        return Ok(());
    };
    let forgotten = timeout(ANSWER_WITHIN, store.purge(key(stream, group))).await;
    let forgotten = forgotten.map_err(|_elapsed| "no answer".to_owned())?;
    forgotten.map_err(|error| error.to_string())
}

impl Position {
    /// Whether nobody has written one yet.
    pub(super) fn is_new(&self) -> bool {
        self.revision.is_none()
    }

    /// Reads it, for the owner of `epoch`.
    pub(super) async fn read(
        store: &kv::Store,
        key: String,
        stream_made_nanos: i64,
        epoch: u64,
    ) -> Result<(Self, Progress), String> {
        let entry = timeout(ANSWER_WITHIN, store.entry(key.as_str())).await;
        let entry = entry.map_err(|_elapsed| "no answer of the position".to_owned())?;
        let entry = entry.map_err(|error| error.to_string())?;
        let position = Self {
            store: store.clone(),
            key,
            stream_made_nanos,
            epoch,
            // What was forgotten is as if nothing had ever been there.
            revision: entry
                .as_ref()
                .filter(|entry| entry.operation == Operation::Put)
                .map(|entry| entry.revision),
        };
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            return Ok((position, Progress::default()));
        };
        // What cannot be read is no reason to begin anew.
        let record: Record = serde_json::from_slice(&entry.value)
            .map_err(|error| format!("the position {} cannot be read: {error}", position.key))?;
        let progress = match record.stream_made_nanos == stream_made_nanos {
            true => record.progress,
            false => Progress::default(),
        };
        Ok((position, progress))
    }

    /// Writes it.
    pub(super) async fn write(&mut self, progress: Progress) -> Result<(), NotWritten> {
        let record = Record {
            stream_made_nanos: self.stream_made_nanos,
            epoch: self.epoch,
            progress,
        };
        let not_now = |error: &dyn std::fmt::Display| NotWritten::NotNow(error.to_string());
        let bytes = Bytes::from(serde_json::to_vec(&record).map_err(|error| not_now(&error))?);
        let written = async {
            match self.revision {
                Some(revision) => {
                    let updated = self.store.update(self.key.as_str(), bytes, revision).await;
                    updated.map_err(|error| match error.kind() {
                        UpdateErrorKind::WrongLastRevision => NotWritten::NotOurs,
                        _ => not_now(&error),
                    })
                }
                None => {
                    let created = self.store.create(self.key.as_str(), bytes).await;
                    created.map_err(|error| match error.kind() {
                        CreateErrorKind::AlreadyExists => NotWritten::NotOurs,
                        _ => not_now(&error),
                    })
                }
            }
        };
        match timeout(ANSWER_WITHIN, written).await {
            Ok(written) => {
                self.revision = Some(written?);
                Ok(())
            }
            Err(_elapsed) => Err(NotWritten::NotNow("no answer".to_owned())),
        }
    }
}
