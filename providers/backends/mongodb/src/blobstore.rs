//! wasi:blobstore on GridFS: one bucket for all containers.
//!
//! ```text
//! <bucket>.containers  what a container is called, and the id of its contents
//! <bucket>.names       an object: the id of its bytes, of those being written, and of those that it had
//! <bucket>.files       bytes, as GridFS has them: another id for each write
//! <bucket>.chunks      their pieces
//! ```
//!
//! All that may happen to an object is a change of its one document in `names`, and each change says what it
//! expects to find there. So readers see one write or another, all of it, and nothing needs a transaction. An
//! id of bytes stands in that document from before the first of them is stored until the last of them is
//! removed: what a lost writer has left is found there, and need not be looked for among all chunks. A writer
//! that the [`collector`] has given up does not find its id any more, however late it comes, and stores
//! nothing.
//!
//! A container is emptied, and removed, by one change of its own document: its contents have another id from
//! then on, and what was under the old one is the collector's.
//!
//! Rejected: a GridFS bucket for each container. Each is two collections with four indices, which are files of
//! the server, and guests make containers by the thousand; their names would have to be escaped, and a
//! container that is removed would be collections that are dropped one after the other. Rejected too: the
//! newest revision of a name, as GridFS's own clients have it. What is newest, the clocks of several nodes
//! would say.

mod collector;
mod layout;
mod names;
mod reading;
mod writing;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::bson::{DateTime, Document, doc, oid::ObjectId as Id};
use wrt_blobstore::{
    Blobstore, BlobstoreError, ByteRange, ContainerInfo, ContainerName, Cursor, ObjectId,
    ObjectInfo, ObjectName, ObjectPage, Timestamp, limits::check_names,
};
use wrt_contract::{Body, CallContext, async_trait};

use self::layout::Container;
pub(crate) use self::{collector::collect, layout::Layout};
use crate::{
    MongoDb,
    error::{failure, is_duplicate},
};

/// Objects of one call that are removed at a time.
const REMOVALS_AT_ONCE: usize = 16;

fn timestamp(time: DateTime) -> Timestamp {
    Timestamp(u64::try_from(time.timestamp_millis() / 1000).unwrap_or_default())
}

impl MongoDb {
    /// A container that is there. None is remembered: any may be removed by others at any time, and what would
    /// be done to it then must be told.
    async fn container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<Container, BlobstoreError> {
        let containers = self.layout().containers.clone();
        let filter = doc! { "name": name.as_str() };
        let found = self.run(context, async move { containers.find_one(filter).await });
        let missing = || BlobstoreError::NoSuchContainer(name.clone());
        found.await?.ok_or_else(missing)
    }

    async fn change_container(
        &self,
        context: &CallContext,
        filter: Document,
        update: Document,
    ) -> Result<(), BlobstoreError> {
        let containers = self.layout().containers.clone();
        let change = async move { containers.update_one(filter, update).await };
        self.run(context, change).await.map(drop)
    }
}

#[async_trait]
impl Blobstore for MongoDb {
    async fn create_container(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let containers = self.layout().containers.clone();
        let filter = doc! { "name": container.as_str() };
        let made = doc! { "$setOnInsert": {
            "_id": Id::new(),
            "contents": Id::new(),
            "created_at": DateTime::now(),
            "emptied": [],
        } };
        let make = async move { containers.update_one(filter, made).upsert(true).await };
        match self.answer(context, make).await? {
            // Or another call has made it at the same time.
            Err(error) if !is_duplicate(&error) => Err(failure(context, &error)),
            _ => Ok(()),
        }
    }

    async fn copy_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError> {
        self.copy(context, source, target).await.map(drop)
    }

    async fn move_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError> {
        let (contents, bytes) = self.copy(context, source, target).await?;
        if source == target {
            return Ok(());
        }
        // One that was written meanwhile is another object.
        self.remove_bytes(context, contents, &source.object, bytes)
            .await
            .map(drop)
    }

    async fn get_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        range: ByteRange,
    ) -> Result<Body<BlobstoreError>, BlobstoreError> {
        let container = self.container(context, &object.container).await?;
        let found = self.object(context, container.contents, object).await?;
        Ok(self.read_object(object, &found, range))
    }

    async fn write_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        data: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError> {
        self.write_object(context, object, data).await
    }

    async fn list_objects(
        &self,
        context: &CallContext,
        container: &ContainerName,
        cursor: Option<Cursor>,
    ) -> Result<ObjectPage, BlobstoreError> {
        let contents = self.container(context, container).await?.contents;
        self.list(context, contents, cursor).await
    }

    async fn delete_objects(
        &self,
        context: &CallContext,
        container: &ContainerName,
        objects: &[ObjectName],
    ) -> Result<(), BlobstoreError> {
        check_names(objects)?;
        let contents = self.container(context, container).await?.contents;
        let removals = objects
            .iter()
            .map(|object| self.remove_object(context, contents, object));
        let removals: Vec<_> = removals.collect();
        let removals = stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE);
        removals.try_collect().await
    }

    async fn object_info(
        &self,
        context: &CallContext,
        object: &ObjectId,
    ) -> Result<ObjectInfo, BlobstoreError> {
        let container = self.container(context, &object.container).await?;
        let found = self.object(context, container.contents, object).await?;
        Ok(ObjectInfo {
            created_at: timestamp(found.created_at),
            size_bytes: found.size_bytes,
        })
    }

    async fn delete_container(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let Container { id, .. } = match self.container(context, container).await {
            Err(BlobstoreError::NoSuchContainer(_)) => return Ok(()),
            found => found?,
        };
        // What is left of it is collected. Names are text, so this is the name of none.
        let removed = doc! { "$set": { "name": id, "removed": true } };
        self.change_container(context, doc! { "_id": id }, removed)
            .await
    }

    async fn container_info(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<ContainerInfo, BlobstoreError> {
        let found = self.container(context, container).await?;
        Ok(ContainerInfo {
            created_at: timestamp(found.created_at),
        })
    }

    async fn clear(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let Container { id, contents, .. } = self.container(context, container).await?;
        // It gets other contents, without any, and what it held is collected. Whoever was quicker has emptied
        // it meanwhile.
        let filter = doc! { "_id": id, "contents": contents };
        let emptied = doc! { "$set": { "contents": Id::new() }, "$push": { "emptied": contents } };
        self.change_container(context, filter, emptied).await
    }
}
