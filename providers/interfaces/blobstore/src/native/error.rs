//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

use crate::{ContainerName, ObjectId, limits::ERROR_TEXT_BYTES_MAX};

/// Why an operation failed.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum BlobstoreError {
    /// The component has no link to a provider.
    #[error("wasi:blobstore is not linked")]
    NotLinked,
    /// A container that is not there.
    #[error("there is no container {0:?}")]
    NoSuchContainer(ContainerName),
    /// An object that is not there.
    #[error("there is no object {0}")]
    NoSuchObject(ObjectId),
    /// A range that ends before it begins.
    #[error("a range from {start} to {end}: it ends before it begins")]
    BadRange {
        /// Its first byte.
        start: u64,
        /// Its last one.
        end: u64,
    },
    /// Something is larger than it may be.
    #[error("{limit}: {actual}, of at most {max}")]
    OverLimit {
        /// What.
        limit: Limit,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        max: u64,
    },
    /// A container or an object of no bytes.
    #[error("the name of a container or an object has at least one byte")]
    EmptyName,
    /// The guest uses a value in an order that leads nowhere.
    #[error("{0}")]
    Misused(Box<str>),
    /// Bytes that were being read, or said to be there, are not there any more.
    #[error("the bytes of {0} are gone: it was replaced or removed, or is damaged")]
    Gone(ObjectId),
    /// The provider, or its service, has no room.
    #[error("full: {0}")]
    Full(Box<str>),
    /// What the service answered, in its own words; made with [`BlobstoreError::other`].
    #[error("{0}")]
    Other(Box<str>),
    /// The lattice, or the provider's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of a container's name.
    #[error("bytes of a container's name")]
    ContainerBytes,
    /// Bytes of an object's name.
    #[error("bytes of an object's name")]
    ObjectBytes,
    /// Containers of a provider.
    #[error("containers of a provider")]
    Containers,
    /// Names of one call.
    #[error("names of one call")]
    BatchNames,
    /// Bytes that are read at once, and not as a stream.
    #[error("bytes read at once; read them as a stream")]
    SyncBytes,
    /// Values and listings that an instance holds.
    #[error("values and listings held by an instance")]
    Handles,
}

impl BlobstoreError {
    /// What the service answered, cut at [`ERROR_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn other(text: impl AsRef<str>) -> Self {
        Self::Other(cut(text.as_ref()))
    }

    /// That there is no room, in the words of whoever has none.
    #[must_use]
    pub fn full(text: impl AsRef<str>) -> Self {
        Self::Full(cut(text.as_ref()))
    }

    pub(crate) fn misused(text: &str) -> Self {
        Self::Misused(cut(text))
    }
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(ERROR_TEXT_BYTES_MAX)].into()
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`BlobstoreError::OverLimit`].
    pub fn check(self, actual: u64, max: u64) -> Result<(), BlobstoreError> {
        match actual <= max {
            true => Ok(()),
            false => Err(BlobstoreError::OverLimit {
                limit: self,
                actual,
                max,
            }),
        }
    }
}
