//! What there is in a container: one document for each object.

use futures::TryStreamExt as _;
use mongodb::bson::{DateTime, Document, doc, oid::ObjectId as Id};
use wrt_blobstore::{
    BlobstoreError, Cursor, ObjectId, ObjectName, ObjectPage, limits::PAGE_NAMES_MAX,
};
use wrt_contract::CallContext;
use wrt_protocol::Hop;

use super::layout::{Entry, entry_id};
use crate::{
    MongoDb,
    error::{failure, given_up, is_duplicate},
};

/// Bytes that an object had and that are kept for who still reads them. Beyond, the oldest go at once.
const OLD_MAX: usize = 256;

/// How often a change is tried that others were quicker to make another one before.
const TRIES_MAX: usize = 64;

/// An object that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) bytes: Id,
    pub(super) size_bytes: u64,
    pub(super) chunk_bytes: u64,
    pub(super) created_at: DateTime,
}

impl Entry {
    fn found(&self) -> Option<Found> {
        Some(Found {
            bytes: self.bytes?,
            size_bytes: u64::try_from(self.length).ok()?,
            chunk_bytes: u64::try_from(self.chunk_bytes)
                .ok()
                .filter(|bytes| *bytes > 0)?,
            created_at: self.created_at.unwrap_or(DateTime::MIN),
        })
    }
}

impl MongoDb {
    /// An object that is there.
    pub(super) async fn object(
        &self,
        context: &CallContext,
        contents: Id,
        object: &ObjectId,
    ) -> Result<Found, BlobstoreError> {
        let entry = self.entry(context, contents, &object.object).await?;
        let found = entry.and_then(|entry| entry.found());
        found.ok_or_else(|| object.missing())
    }

    async fn entry(
        &self,
        context: &CallContext,
        contents: Id,
        object: &ObjectName,
    ) -> Result<Option<Entry>, BlobstoreError> {
        let names = self.layout().names.clone();
        let filter = doc! { "_id": entry_id(contents, object) };
        let find = async move { names.find_one(filter).await };
        self.run(context, find).await
    }

    /// Notes that bytes are going to be stored for an object; what it has now.
    pub(super) async fn announce(
        &self,
        context: &CallContext,
        contents: Id,
        object: &ObjectName,
        bytes: Id,
    ) -> Result<Option<Id>, BlobstoreError> {
        let filter = doc! { "_id": entry_id(contents, object) };
        let update = doc! {
            "$addToSet": { "writing": bytes },
            "$setOnInsert": {
                "contents": contents,
                "name": object.as_str(),
                "number": rand::random_range(1..i64::MAX),
                "old": [],
            },
        };
        for _try in 0..TRIES_MAX {
            let names = self.layout().names.clone();
            let (filter, update) = (filter.clone(), update.clone());
            let announce = async move { names.update_one(filter, update).upsert(true).await };
            match self.answer(context, announce).await? {
                Ok(made) if made.upserted_id.is_some() => return Ok(None),
                Ok(_) => {
                    let entry = self.entry(context, contents, object).await?;
                    if let Some(entry) = &entry {
                        self.keep_few(context, entry).await;
                    }
                    return Ok(entry.and_then(|entry| entry.bytes));
                }
                // Another writer of the same object has made the document.
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(failure(context, &error)),
            }
        }
        Err(given_up("too many writers of one object"))
    }

    /// Makes bytes that were announced and are stored those of an object, in place of what it has.
    pub(super) async fn name_bytes(
        &self,
        context: &CallContext,
        (contents, object): (Id, &ObjectName),
        mut before: Option<Id>,
        (bytes, length, chunk_bytes): (Id, i64, i64),
    ) -> Result<(), BlobstoreError> {
        let id = entry_id(contents, object);
        for _try in 0..TRIES_MAX {
            let names = self.layout().names.clone();
            let filter = doc! { "_id": &id, "writing": bytes, "bytes": before, "removed": null };
            let mut update = doc! {
                "$set": { "bytes": bytes, "length": length, "chunk_bytes": chunk_bytes },
                "$currentDate": { "created_at": true },
                "$pull": { "writing": bytes },
            };
            if let Some(before) = before {
                update.insert("$push", doc! { "old": before });
            }
            let name = async move { names.update_one(filter, update).await };
            if self.run(context, name).await?.matched_count > 0 {
                return Ok(());
            }
            match self.entry(context, contents, object).await? {
                Some(entry) if entry.bytes == Some(bytes) => return Ok(()),
                Some(entry) if entry.writing.contains(&bytes) && !entry.removed => {
                    before = entry.bytes;
                }
                _ => {
                    return Err(given_up(
                        "what was written was taken for lost: it stood still for too long, or its container \
                         was emptied or removed",
                    ));
                }
            }
        }
        Err(given_up("too many writers of one object"))
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove_object(
        &self,
        context: &CallContext,
        contents: Id,
        object: &ObjectName,
    ) -> Result<(), BlobstoreError> {
        for _try in 0..TRIES_MAX {
            let entry = self.entry(context, contents, object).await?;
            let Some(bytes) = entry.and_then(|entry| entry.bytes) else {
                return Ok(());
            };
            if self.remove_bytes(context, contents, object, bytes).await? {
                return Ok(());
            }
        }
        Err(given_up("too many writers of one object"))
    }

    /// Removes an object if these are its bytes; whether they were.
    pub(super) async fn remove_bytes(
        &self,
        context: &CallContext,
        contents: Id,
        object: &ObjectName,
        bytes: Id,
    ) -> Result<bool, BlobstoreError> {
        let names = self.layout().names.clone();
        let filter = doc! { "_id": entry_id(contents, object), "bytes": bytes };
        let update = doc! {
            "$unset": { "bytes": "", "length": "", "chunk_bytes": "", "created_at": "" },
            "$push": { "old": bytes },
        };
        let remove = async move { names.update_one(filter, update).await };
        let removed = self.run(context, remove).await?;
        Ok(removed.matched_count > 0)
    }

    /// A page of objects, in the order of their numbers: each once, whatever is done meanwhile.
    pub(super) async fn list(
        &self,
        context: &CallContext,
        contents: Id,
        cursor: Option<Cursor>,
    ) -> Result<ObjectPage, BlobstoreError> {
        let after = cursor.map_or(0, |cursor| i64::try_from(cursor.0).unwrap_or(i64::MAX));
        let filter = doc! {
            "contents": contents,
            "number": { "$gt": after },
            "bytes": { "$exists": true },
        };
        let names = self.layout().names.clone_with_type::<Document>();
        let list = async move {
            let found = names
                .find(filter)
                .sort(doc! { "number": 1 })
                .limit(PAGE_NAMES_MAX as i64)
                .projection(doc! { "name": 1, "number": 1 });
            found.await?.try_collect::<Vec<_>>().await
        };
        let found = self.run(context, list).await?;
        let last = found
            .last()
            .filter(|_| found.len() == PAGE_NAMES_MAX)
            .and_then(|entry| entry.get_i64("number").ok())
            .and_then(|number| u64::try_from(number).ok());
        let names = found.iter().filter_map(|entry| entry.get_str("name").ok());
        Ok(ObjectPage {
            objects: names
                .filter_map(|name| ObjectName::new(name).ok())
                .collect(),
            next: last.map(Cursor),
        })
    }

    /// Of what an object had, so much is kept and no more, beside what it has: an object that is replaced a
    /// thousand times a second would not fit into its document.
    async fn keep_few(&self, context: &CallContext, entry: &Entry) {
        let over = entry.old.len().saturating_sub(OLD_MAX);
        let over = entry.old[..over].iter();
        let over: Vec<_> = over.map(|bytes| (entry.id.clone(), *bytes)).collect();
        if over.is_empty() {
            return;
        }
        let removal = self.remove_old(&over);
        if !matches!(context.bound(Hop::Backend, removal).await, Ok(Ok(()))) {
            tracing::debug!("bytes that were replaced are left to the collector");
        }
    }
}
