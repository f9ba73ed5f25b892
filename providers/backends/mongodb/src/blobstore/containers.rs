//! Containers.

use mongodb::bson::{DateTime, doc, oid::ObjectId as Id};
use wrt_blobstore::{BlobstoreError, ContainerName};
use wrt_contract::CallContext;

use super::layout::Container;
use crate::{
    MongoDb,
    error::{failure, is_duplicate},
};

impl MongoDb {
    /// A container that is there. None is remembered: any may be removed by others at any time, and what would
    /// be done to it then must be told.
    pub(super) async fn container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<Container, BlobstoreError> {
        let containers = self.layout().containers.clone();
        let filter = doc! { "name": name.as_str() };
        let found = self.run(context, async move { containers.find_one(filter).await });
        found
            .await?
            .ok_or_else(|| BlobstoreError::NoSuchContainer(name.clone()))
    }

    pub(super) async fn make_container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let containers = self.layout().containers.clone();
        let filter = doc! { "name": name.as_str() };
        let made = doc! { "$setOnInsert": {
            "_id": Id::new(),
            "contents": Id::new(),
            "created_at": DateTime::now(),
            "emptied": [],
        } };
        let make = async move { containers.update_one(filter, made).upsert(true).await };
        match self.answer(context, make).await? {
            Ok(_) => Ok(()),
            // Another call has made it at the same time.
            Err(error) if is_duplicate(&error) => Ok(()),
            Err(error) => Err(failure(context, &error)),
        }
    }

    /// Takes its name away; what is left of it is collected.
    pub(super) async fn remove_container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let Container { id, .. } = match self.container(context, name).await {
            Err(BlobstoreError::NoSuchContainer(_)) => return Ok(()),
            found => found?,
        };
        let containers = self.layout().containers.clone();
        // Names are text, so this is the name of none.
        let removed = doc! { "$set": { "name": id, "removed": true } };
        let remove = async move { containers.update_one(doc! { "_id": id }, removed).await };
        self.run(context, remove).await.map(drop)
    }

    /// Gives it other contents, without any; what it held is collected.
    pub(super) async fn empty_container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let Container { id, contents, .. } = self.container(context, name).await?;
        let containers = self.layout().containers.clone();
        // Whoever was quicker has emptied it meanwhile.
        let filter = doc! { "_id": id, "contents": contents };
        let emptied = doc! { "$set": { "contents": Id::new() }, "$push": { "emptied": contents } };
        let empty = async move { containers.update_one(filter, emptied).await };
        self.run(context, empty).await.map(drop)
    }
}
