//! Every limit of the interface, and the checks that all providers share. Names check themselves: see
//! [`ContainerName`](crate::ContainerName) and [`ObjectName`].

use wrt_protocol::limits::CHUNK_BYTES_MAX;

use crate::{BlobstoreError, Limit, ObjectName};

/// A container's name. With it a provider can escape each byte and stay within the 255 that services
/// allow for the name of a bucket.
pub const CONTAINER_BYTES_MAX: usize = 63;
/// An object's name.
pub const OBJECT_BYTES_MAX: usize = 1024;
/// Names of one page of a listing. With the longest names it fits into a message.
pub const PAGE_NAMES_MAX: usize = 256;
/// Names of one call that removes objects.
pub const BATCH_NAMES_MAX: usize = 256;
/// Names that a guest is given at once, however many it asks for.
pub const READ_NAMES_MAX: usize = 10_000;
/// What a guest may read at once; more goes as a stream.
pub const SYNC_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What a guest may write before it says where to, and what waits then for the provider to take it.
pub const AHEAD_BYTES_MAX: usize = 1024 * 1024;
/// What waits of a value for the provider to take it, once the guest has said where to.
pub const WRITTEN_BYTES_MAX: usize = 2 * CHUNK_BYTES_MAX;
/// Values and listings that one instance holds as resources.
pub const HANDLES_MAX: usize = 64;
/// Text of an error that a service gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

/// Refuses more than [`BATCH_NAMES_MAX`] names.
///
/// # Errors
/// [`BlobstoreError::OverLimit`].
pub fn check_names(names: &[ObjectName]) -> Result<(), BlobstoreError> {
    Limit::BatchNames.check(names.len() as u64, BATCH_NAMES_MAX as u64)
}
