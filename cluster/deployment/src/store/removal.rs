//! Removing an app, also where there is no room.
//!
//! A removal is a mark, and a mark is a message more. Where it is refused for want of room, what is
//! removed makes the room itself: what JetStream removes by request needs none.

use std::collections::BTreeSet;

use wrt_protocol::Name;

use super::{
    Revision, Store, StoreError,
    attempt::{AttemptError, attempts},
    collect::collect,
    reading::Entry,
};
use crate::{Digest, known::read_app, limits::STORE_CALL_WAIT_MAX};

/// What was removed with an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The code that it named.
    pub code: BTreeSet<Digest>,
}

impl Store {
    /// Removes an app, and all of its revisions; `None` if it was not there.
    ///
    /// # Errors
    /// When JetStream fails; [`StoreError::Full`] where others than this lattice have taken all room.
    pub async fn delete(&self, name: &Name) -> Result<Option<Removed>, StoreError> {
        let Some((_, bytes)) = self.read(name.as_str()).await? else {
            return Ok(None);
        };
        // One that cannot be read names nothing that could be known.
        let app = read_app(name.as_str(), &bytes).ok();
        let code = app.iter().flat_map(|app| app.code()).collect();
        self.mark_with_room(name, &code).await?;
        Ok(Some(Removed { code }))
    }

    /// Marks an app as removed, whether or not it is there: nodes that know it from a bucket before
    /// this one hear of it only so.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn mark_removed(&self, name: &Name) -> Result<(), StoreError> {
        self.mark_with_room(name, &BTreeSet::new()).await
    }

    async fn mark_with_room(&self, name: &Name, code: &BTreeSet<Digest>) -> Result<(), StoreError> {
        let full = match self.mark(name).await {
            Err(error @ StoreError::Full { .. }) => error,
            marked => return marked,
        };
        tracing::warn!(app = %name, "JetStream is full: the removal makes room for itself");
        for step in [Step::WhatNobodyNeeds, Step::ItsCode, Step::ItsRevisions] {
            self.take_step(&step, name, code).await?;
            match self.mark(name).await {
                Err(StoreError::Full { .. }) => {}
                marked => return marked,
            }
        }
        Err(full)
    }

    async fn take_step(
        &self,
        step: &Step,
        name: &Name,
        code: &BTreeSet<Digest>,
    ) -> Result<(), StoreError> {
        match step {
            Step::WhatNobodyNeeds => self.make_room().await,
            Step::ItsCode => {
                let Some(objects) = self.objects().await? else {
                    return Ok(());
                };
                let listing = objects.list().await?;
                let mut reading = self.reading().await?;
                // As it will be.
                reading.last = Revision(reading.last.0.saturating_add(1));
                let latest = reading.entries.values().map(|entry| entry.stored_at).max();
                let mark = Entry {
                    revision: reading.last,
                    stored_at: latest.unwrap_or_default(),
                    app: None,
                };
                reading.entries.insert(name.to_string(), mark);
                let past = BTreeSet::new();
                collect(&objects, listing, &reading, &past, code)
                    .await
                    .map(drop)
            }
            // From here to the mark nodes hold what they know of it.
            Step::ItsRevisions => self.purge_revisions(name.as_str(), 0).await,
        }
    }

    /// Removes what nobody names, and what apps were before.
    pub(super) async fn make_room(&self) -> Result<(), StoreError> {
        for app in self.reading().await?.entries.keys() {
            self.purge_revisions(app, 1).await?;
        }
        self.collect(&BTreeSet::new()).await?;
        Ok(())
    }

    async fn mark(&self, name: &Name) -> Result<(), StoreError> {
        let what = format!("delete app {name}");
        // What it was before goes with it, where the stream lets it.
        let config = &self.apps.stream.cached_info().config;
        let with_revisions = config.allow_rollup && !config.deny_purge;
        let mark = || async {
            match with_revisions {
                true => {
                    let purged = self.apps.purge(name.as_str()).await;
                    purged.map_err(AttemptError::again)
                }
                false => {
                    let deleted = self.apps.delete(name.as_str()).await;
                    deleted.map_err(AttemptError::again)
                }
            }
        };
        attempts(&what, STORE_CALL_WAIT_MAX, mark).await
    }

    /// Of an app only the last `keep` revisions stay. One app at a time: of several it would keep so many
    /// in all.
    async fn purge_revisions(&self, app: &str, keep: u64) -> Result<(), StoreError> {
        let subject = format!("{}{app}", self.apps.prefix);
        let purge = || async {
            let purge = self.apps.stream.purge().filter(subject.as_str());
            let purged = match keep {
                0 => purge.await,
                keep => purge.keep(keep).await,
            };
            purged.map(drop).map_err(AttemptError::again)
        };
        let what = format!("remove revisions of app {app}");
        attempts(&what, STORE_CALL_WAIT_MAX, purge).await
    }
}

/// What makes room for a mark, one after another.
enum Step {
    WhatNobodyNeeds,
    ItsCode,
    ItsRevisions,
}
