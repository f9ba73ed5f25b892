//! What an app was before: the revisions that the bucket keeps, and with them the code that they name.

use std::collections::BTreeSet;

use async_nats::jetstream::kv;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;
use wrt_protocol::Name;

use super::{
    Revision, Store, StoreError,
    attempt::{AttemptError, attempts},
    reading::{Reading, StoredAt, nanos},
};
use crate::{DesiredApp, Digest, known::read_app, limits::STORE_CALL_WAIT_MAX};

/// Apps whose revisions are read at once.
const AT_ONCE: usize = 16;

/// One revision of an app.
#[derive(Debug, Clone, PartialEq)]
pub struct PastApp {
    /// Which one.
    pub revision: Revision,
    /// When it was stored.
    pub stored_at: StoredAt,
    /// The app; or why this build cannot read it.
    pub app: Result<DesiredApp, String>,
}

impl Store {
    /// The revisions of an app that are kept, the one that runs last; none where it is not deployed. A
    /// removal ends what was before it.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn history(&self, name: &Name) -> Result<Vec<PastApp>, StoreError> {
        let past = self.revisions(name.as_str()).await?;
        let read = |(revision, stored_at, bytes): (_, _, Bytes)| PastApp {
            revision,
            stored_at,
            app: read_app(name.as_str(), &bytes),
        };
        Ok(past.into_iter().map(read).collect())
    }

    /// The code that is not in the store, of what `app` names.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn missing_code(&self, app: &DesiredApp) -> Result<BTreeSet<Digest>, StoreError> {
        let mut missing: BTreeSet<_> = app.code().collect();
        if let Some(objects) = self.objects().await? {
            for digest in missing.clone() {
                if objects.look(digest).await?.is_some() {
                    missing.remove(&digest);
                }
            }
        }
        Ok(missing)
    }

    /// What the earlier revisions of the apps in `reading` name, as far as this build can read them: one
    /// that it cannot read is none that it could go back to.
    pub(super) async fn past_code(
        &self,
        reading: &Reading,
    ) -> Result<BTreeSet<Digest>, StoreError> {
        if reading.messages <= reading.entries.len() as u64 {
            return Ok(BTreeSet::new());
        }
        let stored = reading.entries.iter().filter(|(_, it)| it.app.is_some());
        let code = stored.map(|(key, _)| async move {
            let past = self.revisions(key).await?;
            let apps = past.iter().filter_map(|it| read_app(key, &it.2).ok());
            Ok(apps
                .flat_map(|app| app.code().collect::<Vec<_>>())
                .collect())
        });
        let all: Vec<Vec<Digest>> = stream::iter(code).buffered(AT_ONCE).try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// What is kept of one key since it was last removed, in order.
    async fn revisions(&self, key: &str) -> Result<Vec<(Revision, StoredAt, Bytes)>, StoreError> {
        let what = format!("read the revisions of app {key}");
        let read = || async {
            let history = self.apps.history(key).await.map_err(AttemptError::again)?;
            let entries = timeout(STORE_CALL_WAIT_MAX, history.try_collect::<Vec<kv::Entry>>());
            let entries = entries.await.map_err(AttemptError::again)?;
            entries.map_err(AttemptError::again)
        };
        let mut kept = Vec::new();
        for entry in attempts(&what, STORE_CALL_WAIT_MAX * 2, read).await? {
            match entry.operation {
                kv::Operation::Put => {
                    let stored_at = StoredAt(nanos(entry.created.unix_timestamp_nanos()));
                    kept.push((Revision(entry.revision), stored_at, entry.value));
                }
                kv::Operation::Delete | kv::Operation::Purge => kept.clear(),
            }
        }
        Ok(kept)
    }
}
