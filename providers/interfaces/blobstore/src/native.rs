//! What is built into a node: the trait, its host glue, its memory and its suite.

mod error;
mod memory;
mod metadata;
mod name;
mod page;
mod range;

pub mod conformance;
pub mod host;
pub mod limits;

use wrt_contract::{Body, CallContext, interface};

pub use error::{BlobstoreError, Limit};
pub use host::WasiBlobstore;
pub use memory::{BlobstoreDefault, MemoryConfig};
pub use metadata::{ContainerInfo, ObjectInfo, Timestamp};
pub use name::{ContainerName, ObjectId, ObjectName};
pub use page::{Cursor, ObjectPage};
pub use range::ByteRange;

/// Objects in containers.
///
/// Each operation carries all that it needs, so any replica serves it. What one does to an object is seen
/// by each that begins after it has ended.
#[interface(name = "wasi:blobstore", error = BlobstoreError)]
pub trait Blobstore {
    /// Makes a container. One that is there stays as it is.
    #[operation(idempotent)]
    async fn create_container(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError>;

    /// What is known of a container.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchContainer`].
    #[operation(idempotent)]
    async fn container_info(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<ContainerInfo, BlobstoreError>;

    /// Removes a container with all that is in it; one that is not there is no error. Whoever reads an
    /// object of it may get an error.
    #[operation(idempotent)]
    async fn delete_container(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError>;

    /// Copies an object over another name, in the same container or another one. It is there at once or
    /// not at all.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchObject`] of the source, and [`BlobstoreError::NoSuchContainer`] of either.
    #[operation(idempotent)]
    async fn copy_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError>;

    /// The same, and removes the source afterwards: for a moment both may be there, and never neither.
    ///
    /// # Errors
    /// As [`Blobstore::copy_object`].
    async fn move_object(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(), BlobstoreError>;

    /// The bytes of an object in a range. The body MUST announce its length; the context's deadline is
    /// for its beginning, and it goes on for as long as it makes progress.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchObject`] and [`BlobstoreError::NoSuchContainer`]. A body that ends with an
    /// error is not whole.
    #[operation(idempotent)]
    async fn get_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        range: ByteRange,
    ) -> Result<Body<BlobstoreError>, BlobstoreError>;

    /// Makes or replaces an object. Until all of the body is stored nobody sees any of it, and a body
    /// that ends with an error leaves all as it was. The whole of it has the context's time.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchContainer`], [`BlobstoreError::Full`], and whatever the body ends with.
    #[operation(idempotent)]
    async fn write_data(
        &self,
        context: &CallContext,
        object: &ObjectId,
        #[body] data: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError>;

    /// One page of the objects' names, from the beginning or from the cursor of the page before, in no
    /// particular order. It holds at most [`limits::PAGE_NAMES_MAX`], and may be empty although others
    /// follow.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchContainer`].
    #[operation(idempotent)]
    async fn list_objects(
        &self,
        context: &CallContext,
        container: &ContainerName,
        cursor: Option<Cursor>,
    ) -> Result<ObjectPage, BlobstoreError>;

    /// Removes objects, in no particular order; those that are not there are skipped. When it fails, some
    /// of them may be removed.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchContainer`].
    #[operation(idempotent)]
    async fn delete_objects(
        &self,
        context: &CallContext,
        container: &ContainerName,
        objects: &[ObjectName],
    ) -> Result<(), BlobstoreError>;

    /// What is known of an object.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchObject`] and [`BlobstoreError::NoSuchContainer`].
    #[operation(idempotent)]
    async fn object_info(
        &self,
        context: &CallContext,
        object: &ObjectId,
    ) -> Result<ObjectInfo, BlobstoreError>;

    /// Removes all objects that are there when it begins. Those that are written meanwhile may stay.
    ///
    /// # Errors
    /// [`BlobstoreError::NoSuchContainer`].
    #[operation(idempotent)]
    async fn clear(
        &self,
        context: &CallContext,
        container: &ContainerName,
    ) -> Result<(), BlobstoreError>;
}
