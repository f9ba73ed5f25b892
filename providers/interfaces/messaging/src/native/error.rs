//! What an operation answers instead of its result.

use serde::{Deserialize, Serialize};
use wrt_contract::{InterfaceError, Schema};
use wrt_protocol::Fault;

use crate::limits::ERROR_TEXT_BYTES_MAX;

/// Why an operation failed, or a message was not handled. All but [`Self::Timeout`], [`Self::Other`] and
/// a fault that says otherwise say that nothing was sent.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum MessagingError {
    /// No reply has come in time; or the guest says so.
    #[error("timeout")]
    Timeout,
    /// The component has no link of that name.
    #[error("there is no link {0:?} for wasi:messaging")]
    NoSuchLink(Box<str>),
    /// The way to a broker failed, as a guest says.
    #[error("connection: {0}")]
    Connection(Box<str>),
    /// It is not allowed.
    #[error("permission denied: {0}")]
    PermissionDenied(Box<str>),
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
    /// A topic that no broker takes.
    #[error("{0:?} is no topic: use words with dots between them")]
    BadTopic(Box<str>),
    /// Metadata that not every broker carries.
    #[error(
        "the metadata {0:?}: a name is visible ASCII without `:`, a value one line without spaces around it"
    )]
    BadMetadata(Box<str>),
    /// Nobody keeps messages of the topic.
    #[error("no stream holds the topic {0}: make one, or let the provider send to it at most once")]
    NoStream(Box<str>),
    /// The provider, or its service, has no room.
    #[error("full: {0}")]
    Full(Box<str>),
    /// What the service or the guest answered, in its own words; made with [`MessagingError::other`].
    #[error("{0}")]
    Other(Box<str>),
    /// The lattice, or the provider's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// What is limited; the numbers are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error)]
pub enum Limit {
    /// Bytes of a topic.
    #[error("bytes of a topic")]
    TopicBytes,
    /// Bytes of a message's data.
    #[error("bytes of a message's data")]
    DataBytes,
    /// Entries of a message's metadata.
    #[error("entries of a message's metadata")]
    MetadataEntries,
    /// Bytes of a message's metadata.
    #[error("bytes of a message's metadata and content type")]
    MetadataBytes,
    /// Messages that an instance holds.
    #[error("messages held by an instance")]
    MessageHandles,
    /// Their bytes.
    #[error("bytes of the messages held by an instance")]
    BytesHeld,
}

impl MessagingError {
    /// What the service or the guest answered, cut at [`ERROR_TEXT_BYTES_MAX`].
    #[must_use]
    pub fn other(text: impl AsRef<str>) -> Self {
        Self::Other(cut(text.as_ref()))
    }

    /// That there is no room, in the words of whoever has none.
    #[must_use]
    pub fn full(text: impl AsRef<str>) -> Self {
        Self::Full(cut(text.as_ref()))
    }

    pub(crate) fn connection(text: &str) -> Self {
        Self::Connection(cut(text))
    }

    /// That it is not allowed, and what.
    #[must_use]
    pub fn permission_denied(text: impl AsRef<str>) -> Self {
        Self::PermissionDenied(cut(text.as_ref()))
    }

    pub(crate) fn no_such_link(name: &str) -> Self {
        Self::NoSuchLink(cut(name))
    }

    pub(crate) fn bad_topic(text: &str) -> Self {
        Self::BadTopic(cut(text))
    }

    pub(crate) fn bad_metadata(key: &str) -> Self {
        Self::BadMetadata(cut(key))
    }
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(ERROR_TEXT_BYTES_MAX)].into()
}

impl Limit {
    /// Refuses `actual` when it is over `max`.
    ///
    /// # Errors
    /// [`MessagingError::OverLimit`].
    pub fn check(self, actual: usize, max: usize) -> Result<(), MessagingError> {
        if actual <= max {
            return Ok(());
        }
        Err(MessagingError::OverLimit {
            limit: self,
            actual: actual as u64,
            max: max as u64,
        })
    }
}
