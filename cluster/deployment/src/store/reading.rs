//! The bucket, read as a whole: what is stored, and what was removed.
//!
//! A key that was deleted leaves a mark. Only the mark says that an app was removed; a key that is
//! not there says nothing.

use std::collections::BTreeMap;

use async_nats::jetstream::{ErrorCode, kv, stream::Info};
use bytes::Bytes;

use super::followed::Followed;
use super::{
    Revision, Store,
    attempt::{AttemptError, attempts, error_code},
};
use crate::{StoreError, limits::STORE_CALL_WAIT_MAX};

/// Which bucket: one that was made anew under the name of another is another one. When it was made,
/// in nanoseconds by the server's clock.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct BucketId(pub i64);

/// When something was stored, in nanoseconds by the server's clock.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct StoredAt(pub i64);

/// All that the bucket has, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which bucket.
    pub bucket: BucketId,
    /// The last change of anything in it.
    pub last: Revision,
    /// Messages that it has, those that are not read included: one that is purged is no change.
    pub messages: u64,
    /// The last that is known of each key.
    pub entries: BTreeMap<String, Entry>,
}

/// What the bucket has of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its revision.
    pub revision: Revision,
    /// When it was stored.
    pub stored_at: StoredAt,
    /// An app or a cordon as it is stored; `None` for the mark of one that was removed.
    pub app: Option<Bytes>,
}

impl Store {
    /// All of the bucket, as it is now.
    pub(super) async fn reading(&self) -> Result<Reading, StoreError> {
        let info = self.info().await?;
        match info.state.messages {
            0 => Ok(empty(&info)),
            _ => Ok(self.follow(&info).await?.into_reading()),
        }
    }

    /// Reads the whole bucket, of which the server has just said something, by a watch that goes on.
    pub(super) async fn follow(&self, info: &Info) -> Result<Followed, StoreError> {
        let what = "read the desired state";
        let watch = || async {
            // The last of each key, marks included, and then each change.
            let watch = self.apps.watch_with_history(">").await;
            watch.map_err(AttemptError::again)
        };
        let watch = attempts(what, STORE_CALL_WAIT_MAX, watch).await?;
        let mut followed = Followed::new(watch, empty(info));
        let mut is_whole = info.state.messages == 0;
        while !is_whole {
            let next = tokio::time::timeout(STORE_CALL_WAIT_MAX, followed.next()).await;
            let next = next.map_err(|_elapsed| StoreError::TimedOut {
                what: what.to_owned(),
                waited: STORE_CALL_WAIT_MAX,
            })?;
            is_whole = next.map_err(|source| StoreError::Failed {
                what: what.to_owned(),
                source,
            })?;
        }
        followed.is_read(info);
        Ok(followed)
    }

    pub(super) async fn info(&self) -> Result<Info, StoreError> {
        let look = || async {
            let info = self.apps.stream.get_info().await;
            info.map_err(|error| match error_code(&error) {
                Some(ErrorCode::STREAM_NOT_FOUND) => AttemptError::Final(self.absent()),
                _ => AttemptError::again(error),
            })
        };
        attempts("look at the desired state", STORE_CALL_WAIT_MAX, look).await
    }
}

impl Reading {
    /// Takes in what the bucket has of a key, unless something later is known.
    pub(super) fn insert(&mut self, entry: kv::Entry) {
        let revision = Revision(entry.revision);
        self.last = self.last.max(revision);
        let known = self.entries.get(&entry.key);
        if known.is_some_and(|known| known.revision > revision) {
            return;
        }
        let stored = Entry {
            revision,
            stored_at: StoredAt(nanos(entry.created.unix_timestamp_nanos())),
            app: (entry.operation == kv::Operation::Put).then_some(entry.value),
        };
        self.entries.insert(entry.key, stored);
    }
}

pub(super) fn empty(info: &Info) -> Reading {
    Reading {
        bucket: BucketId(nanos(info.created.unix_timestamp_nanos())),
        last: Revision(info.state.last_sequence),
        messages: info.state.messages,
        entries: BTreeMap::new(),
    }
}

pub(super) fn nanos(since_1970: i128) -> i64 {
    i64::try_from(since_1970).unwrap_or(i64::MAX)
}
