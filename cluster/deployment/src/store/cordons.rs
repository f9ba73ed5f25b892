//! Which nodes take nothing new: beside the apps, so that whoever follows these knows it as well.

use async_nats::jetstream::kv::{self, UpdateErrorKind};
use bytes::Bytes;
use wrt_protocol::NodeId;

use super::{
    Revision, Store, StoreError,
    attempt::{AttemptError, attempts},
};
use crate::{Cordon, known::key_of_node, limits::STORE_CALL_WAIT_MAX};

/// A cordon and the revision at which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCordon {
    /// Its revision.
    pub revision: Revision,
    /// The cordon; or why this build cannot read it.
    pub cordon: Result<Cordon, String>,
}

impl Store {
    /// The cordon of a node; `None` if it has none.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn cordon(&self, node: &NodeId) -> Result<Option<StoredCordon>, StoreError> {
        let read = self.read(&key_of_node(node)).await?;
        Ok(read.map(|(revision, bytes)| StoredCordon {
            revision,
            cordon: Cordon::from_json(&bytes),
        }))
    }

    /// Cordons a node: a new cordon where `expected` is `None`, else in place of that revision.
    ///
    /// # Errors
    /// [`StoreError::CordonConflict`] when it is not as expected, and when JetStream fails.
    pub async fn put_cordon(
        &self,
        node: &NodeId,
        cordon: &Cordon,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let (key, bytes) = (key_of_node(node), Bytes::from(cordon.to_json()));
        let what = format!("cordon node {node}");
        let write = || self.write(&key, &bytes, expected);
        if let Some(revision) = attempts(&what, STORE_CALL_WAIT_MAX, write).await? {
            return Ok(revision);
        }
        // The first attempt may have been the one that changed it, and its answer got lost.
        match self.read(&key).await? {
            Some((revision, stored)) if stored == bytes && Some(revision) > expected => {
                Ok(revision)
            }
            _ => Err(StoreError::CordonConflict { node: node.clone() }),
        }
    }

    /// Takes the cordon of that revision away.
    ///
    /// # Errors
    /// [`StoreError::CordonConflict`] when it is another one, and when JetStream fails.
    pub async fn remove_cordon(&self, node: &NodeId, expected: Revision) -> Result<(), StoreError> {
        let (key, what) = (key_of_node(node), format!("uncordon node {node}"));
        let remove = || async {
            let Revision(revision) = expected;
            let removed = self.apps.delete_expect_revision(&key, Some(revision)).await;
            match removed {
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
                removed => removed.map(|()| true).map_err(AttemptError::again),
            }
        };
        if attempts(&what, STORE_CALL_WAIT_MAX, remove).await? {
            return Ok(());
        }
        // As above.
        let read = || async { self.apps.entry(&key).await.map_err(AttemptError::again) };
        let entry = attempts(&what, STORE_CALL_WAIT_MAX, read).await?;
        let is_gone = entry.is_none_or(|entry| entry.operation != kv::Operation::Put);
        match is_gone {
            true => Ok(()),
            false => Err(StoreError::CordonConflict { node: node.clone() }),
        }
    }
}
