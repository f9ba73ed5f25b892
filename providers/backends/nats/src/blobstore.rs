//! wasi:blobstore on JetStream's object stores: streams, subjects and notes that NATS's own tools know as
//! such.
//!
//! ```text
//! OBJ_<container>             a container: one stream
//! $O.<container>.M.<object>   what an object is: its size, and the id of its bytes; one message
//! $O.<container>.C.<id>       bytes, in chunks; another id for each write
//! ```
//!
//! An object is there from the moment at which its message is stored, which is after all of its bytes; the
//! same message replaces it. So a writer that ends before that leaves chunks that nobody names, and a copy in
//! the same container is one message that names the same bytes. Nothing but the [`collector`] ever removes
//! bytes: when no object names them, and has not for some time, in which readers come to their end.

mod chunk_index;
mod collector;
mod container;
mod naming;
mod objects;
mod reading;
mod refused;
mod writing;

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use wrt_blobstore::{
    Blobstore, BlobstoreError, BlobstoreInterface, ByteRange, ContainerInfo, ContainerName, Cursor,
    ObjectId, ObjectInfo, ObjectName, ObjectPage, Timestamp, WasiBlobstore, limits::check_names,
};
use wrt_contract::{Body, CallContext, async_trait};
use wrt_protocol::Hop;
use wrt_runtime::{Entry, Serves};

pub(crate) use collector::Containers;

use crate::Nats;

/// Objects of one call that are removed at a time.
const REMOVALS_AT_ONCE: usize = 16;

/// How long bytes that no object names are kept.
fn kept_for(nats: &Nats) -> Duration {
    Duration::from_millis(nats.config().unnamed_bytes_kept_for_ms)
}

impl Serves<WasiBlobstore> for Nats {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<BlobstoreInterface>(|nats| nats);
    }
}

fn timestamp(unix_timestamp: i64) -> Timestamp {
    Timestamp(u64::try_from(unix_timestamp).unwrap_or_default())
}

#[async_trait]
impl Blobstore for Nats {
    async fn create_container(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        self.make_container(context, container).await
    }

    async fn container_info(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<ContainerInfo, BlobstoreError> {
        let opened = self.container(context, container).await?;
        let created = opened.stream.cached_info().created;
        Ok(ContainerInfo {
            created_at: timestamp(created.unix_timestamp()),
        })
    }

    async fn delete_container(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        self.remove_container(context, container).await
    }

    async fn copy_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError> {
        let from = self.container(context, &source.container).await?;
        let found = self.object(context, &from, source).await?;
        if source == target {
            return Ok(());
        }
        if source.container == target.container {
            // The bytes get one name more.
            return self.put_object(context, &from, target, found.info).await;
        }
        let to = self.container(context, &target.container).await?;
        let body = self.read_object(&from, source, &found.info, ByteRange::WHOLE)?;
        self.write_object(context, &to, target, body).await
    }

    async fn move_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError> {
        self.copy_object(context, source, target).await?;
        if source == target {
            return Ok(());
        }
        let from = self.container(context, &source.container).await?;
        self.remove_object(context, &from, &source.object).await
    }

    async fn get_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        range: ByteRange,
    ) -> Result<Body<BlobstoreError>, BlobstoreError> {
        let container = self.container(context, &object.container).await?;
        let found = self.object(context, &container, object).await?;
        self.read_object(&container, object, &found.info, range)
    }

    async fn write_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        data: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError> {
        let container = self.container(context, &object.container).await?;
        self.write_object(context, &container, object, data).await
    }

    async fn list_objects(
        &self,
        context: &CallContext,
        container: &ContainerName,
        cursor: Option<Cursor>,
    ) -> Result<ObjectPage, BlobstoreError> {
        let opened = self.container(context, container).await?;
        self.list(context, &opened, cursor).await
    }

    async fn delete_objects(
        &self,
        context: &CallContext,
        container: &ContainerName,
        objects: &[ObjectName],
    ) -> Result<(), BlobstoreError> {
        check_names(objects)?;
        let opened = self.container(context, container).await?;
        let removals = objects
            .iter()
            .map(|object| self.remove_object(context, &opened, object));
        let removals: Vec<_> = removals.collect();
        let removals = stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE);
        context.bound(Hop::Backend, removals.try_collect()).await?
    }

    async fn object_info(
        &self,
        context: &CallContext,
        object: &ObjectId,
    ) -> Result<ObjectInfo, BlobstoreError> {
        let container = self.container(context, &object.container).await?;
        let found = self.object(context, &container, object).await?;
        Ok(ObjectInfo {
            created_at: found.created_at,
            size_bytes: found.info.size as u64,
        })
    }

    async fn clear(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let opened = self.container(context, container).await?;
        self.remove_all(context, &opened).await
    }
}
