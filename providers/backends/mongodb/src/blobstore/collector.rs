//! Bytes that no object has are removed, some time after somebody could last have begun to read them.
//!
//! They are what was replaced or removed, and what writers have left that did not come to their end, also
//! those of other nodes. Each node looks by itself, by its own clock, and what it does may be done by several
//! at once. Bytes that are being stored, and of which nothing was stored for all of
//! `unnamed_bytes_kept_for_ms`, are given up: from then on they cannot become an object's. Those that were
//! given up, replaced or removed for as long go.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use mongodb::bson::{doc, oid::ObjectId as Id};
use tokio::time::{Instant, sleep};
use wrt_blobstore::BlobstoreError;
use wrt_contract::CallContext;

use super::layout::{Container, Entry, any_id};
use crate::{MongoDb, client::WeakMongoDb};

/// What is looked at at a time; the rest at a later one.
const LOOKED_AT_MAX: i64 = 10_000;

/// What is removed at a time; and how often at a look, of a container that is not there any more.
const BATCH_ENTRIES: i64 = 100;
const BATCHES_MAX: usize = 100;

/// Longest pause between two looks. The collector rests for as long as one took, at least.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// How long one step of it may take.
const STEP_MAX: Duration = Duration::from_secs(60);

/// Of bytes of which nothing is stored any more.
const AT_REST: i64 = -2;

/// What was found, how far it had come then, and since when it is so.
#[derive(Default)]
struct Seen(HashMap<Id, (i64, Instant)>);

impl Seen {
    /// For how long it is as it is now.
    fn unchanged(&self, id: Id, mark: i64, next: &mut Self) -> Duration {
        let known = self.0.get(&id).filter(|(before, _)| *before == mark);
        let since = known.map_or_else(Instant::now, |(_, since)| *since);
        next.0.insert(id, (mark, since));
        since.elapsed()
    }
}

/// Goes on until the provider is gone.
pub(crate) async fn collect(mongodb: WeakMongoDb, kept_for: Duration) {
    let pause = (kept_for / 3).min(PAUSE_MAX);
    let (mut rest, mut seen) = (pause, Seen::default());
    loop {
        sleep(rest).await;
        let Some(mongodb) = mongodb.upgrade() else {
            return;
        };
        let (began, mut next) = (Instant::now(), Seen::default());
        match mongodb.look(kept_for, &seen, &mut next).await {
            Ok(()) => seen = next,
            // What was seen before counts on.
            Err(error) => tracing::debug!(%error, "bytes that no object has are collected later"),
        }
        rest = pause.max(began.elapsed());
    }
}

impl MongoDb {
    async fn look(
        &self,
        kept_for: Duration,
        seen: &Seen,
        next: &mut Seen,
    ) -> Result<(), BlobstoreError> {
        for entry in self.entries_with("writing").await? {
            for bytes in &entry.writing {
                let mark = self.last_chunk(*bytes).await?;
                if seen.unchanged(*bytes, mark, next) >= kept_for {
                    tracing::info!(object = entry.name, %bytes, "a write that stands still is given up");
                    self.give_up(&entry.id, *bytes).await?;
                }
            }
        }
        let mut rests = Vec::new();
        for entry in self.entries_with("old").await? {
            for bytes in &entry.old {
                if seen.unchanged(*bytes, AT_REST, next) >= kept_for {
                    tracing::debug!(object = entry.name, %bytes, "bytes that no object has are removed");
                    rests.push((entry.id.clone(), *bytes));
                }
            }
        }
        for rests in rests.chunks(BATCH_ENTRIES as usize) {
            self.remove_old(rests).await?;
        }
        for container in self.containers_with_rests().await? {
            let own = container.removed.then_some(container.contents);
            let mut is_all = true;
            for contents in container.emptied.iter().copied().chain(own) {
                match seen.unchanged(contents, AT_REST, next) >= kept_for {
                    true => is_all &= self.remove_contents(container.id, contents).await?,
                    false => is_all = false,
                }
            }
            if container.removed && is_all {
                let containers = self.layout().containers.clone();
                let filter = doc! { "_id": container.id, "removed": true };
                self.step(async move { containers.delete_one(filter).await })
                    .await?;
            }
        }
        Ok(())
    }

    /// From here on a writer does not find what it has announced: it has failed.
    pub(super) async fn give_up(&self, entry: &str, bytes: Id) -> Result<(), BlobstoreError> {
        let names = self.layout().names.clone();
        let filter = doc! { "_id": entry, "writing": bytes };
        let update = doc! { "$pull": { "writing": bytes }, "$addToSet": { "old": bytes } };
        self.step(async move { names.update_one(filter, update).await })
            .await
            .map(drop)
    }

    /// Removes bytes that entries had, and the entries with the last of them. That they were comes last: so
    /// whoever ends in between leaves what is still found. What an object has is not touched: a writer whose
    /// answer was lost may have come to its end.
    pub(super) async fn remove_old(&self, rests: &[(String, Id)]) -> Result<(), BlobstoreError> {
        let (entries, mut bytes): (Vec<_>, Vec<_>) = rests.iter().cloned().unzip();
        let (entries, pulled) = (doc! { "$in": entries }, bytes.clone());
        let names = self.layout().names.clone();
        let named = doc! { "_id": &entries, "bytes": { "$in": &bytes } };
        let named = async move { names.find(named).await?.try_collect::<Vec<_>>().await };
        let named: Vec<Entry> = self.step(named).await?;
        bytes.retain(|bytes| named.iter().all(|entry| entry.bytes != Some(*bytes)));
        self.remove_stored(bytes).await?;
        let names = self.layout().names.clone();
        let update = doc! { "$pullAll": { "old": pulled } };
        let rest = doc! { "_id": &entries, "bytes": null, "writing": [], "old": [] };
        self.step(async move {
            names.update_many(doc! { "_id": entries }, update).await?;
            names.delete_many(rest).await
        })
        .await
        .map(drop)
    }

    async fn remove_stored(&self, bytes: Vec<Id>) -> Result<(), BlobstoreError> {
        let layout = self.layout().clone();
        self.step(async move {
            let files = doc! { "_id": { "$in": &bytes } };
            layout.files.delete_many(files).await?;
            let chunks = doc! { "files_id": { "$in": bytes } };
            layout.chunks.delete_many(chunks).await
        })
        .await
        .map(drop)
    }

    /// Removes what a container held, and is done once that is all of it.
    async fn remove_contents(&self, container: Id, contents: Id) -> Result<bool, BlobstoreError> {
        for _batch in 0..BATCHES_MAX {
            let names = self.layout().names.clone();
            let find = async move {
                let filter = doc! { "contents": contents };
                let found = names.find(filter).limit(BATCH_ENTRIES).await?;
                found.try_collect::<Vec<_>>().await
            };
            let entries = self.step(find).await?;
            if entries.is_empty() {
                let containers = self.layout().containers.clone();
                let filter = doc! { "_id": container };
                let update = doc! { "$pull": { "emptied": contents } };
                let forget = async move { containers.update_one(filter, update).await };
                self.step(forget).await?;
                return Ok(true);
            }
            self.remove_entries(entries).await?;
        }
        Ok(false)
    }

    /// Removes entries with all that they have. No writer names anything of them from the first step on, and
    /// they go last: whoever ends in between leaves what is still found.
    async fn remove_entries(&self, entries: Vec<Entry>) -> Result<(), BlobstoreError> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.clone()).collect();
        let (names, filter) = (self.layout().names.clone(), doc! { "_id": { "$in": ids } });
        let (fenced, update) = (filter.clone(), doc! { "$set": { "removed": true } });
        let fence = async move { names.update_many(fenced, update).await };
        self.step(fence).await?;
        let names = self.layout().names.clone();
        let find = filter.clone();
        let all = async move { names.find(find).await?.try_collect::<Vec<_>>().await };
        let all: Vec<Entry> = self.step(all).await?;
        let of_one = |entry: Entry| {
            entry
                .bytes
                .into_iter()
                .chain(entry.writing)
                .chain(entry.old)
        };
        let all: Vec<_> = all.into_iter().flat_map(of_one).collect();
        self.remove_stored(all).await?;
        let names = self.layout().names.clone();
        self.step(async move { names.delete_many(filter).await })
            .await
            .map(drop)
    }

    /// Entries that have any bytes in a field. One field at a time: of alternatives not every server makes two
    /// looks into indices.
    async fn entries_with(&self, field: &str) -> Result<Vec<Entry>, BlobstoreError> {
        let (names, filter) = (self.layout().names.clone(), doc! { field: any_id() });
        self.step(async move {
            let found = names.find(filter).limit(LOOKED_AT_MAX).await?;
            found.try_collect().await
        })
        .await
    }

    async fn containers_with_rests(&self) -> Result<Vec<Container>, BlobstoreError> {
        let containers = self.layout().containers.clone();
        let filter = doc! { "$or": [{ "removed": true }, { "emptied": any_id() }] };
        self.step(async move {
            let found = containers.find(filter).limit(LOOKED_AT_MAX).await?;
            found.try_collect().await
        })
        .await
    }

    /// The number of the last chunk that is stored of some bytes.
    async fn last_chunk(&self, bytes: Id) -> Result<i64, BlobstoreError> {
        let chunks = self
            .layout()
            .chunks
            .clone_with_type::<mongodb::bson::Document>();
        let last = async move {
            let found = chunks
                .find(doc! { "files_id": bytes })
                .sort(doc! { "n": -1 })
                .limit(1)
                .projection(doc! { "n": 1 });
            found.await?.next().await.transpose()
        };
        let last = self.step(last).await?;
        let number = last.and_then(|chunk| chunk.get_i32("n").ok());
        Ok(number.map_or(-1, i64::from))
    }

    /// One step of the collector's.
    async fn step<T: Send + 'static>(
        &self,
        command: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    ) -> Result<T, BlobstoreError> {
        self.run(&CallContext::with_budget(STEP_MAX), command).await
    }
}
