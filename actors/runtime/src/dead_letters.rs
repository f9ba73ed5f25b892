//! What a server has given up, and what may be done with it.

use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, InterfaceError, Schema, interface};
use wrt_protocol::Fault;

/// Dead letters in one page of a list.
pub const PAGE_LETTERS_MAX: usize = 64;
/// Bytes of a dead letter's data that are shown.
pub const SHOWN_BYTES_MAX: usize = 32 * 1024;
/// Bytes of each text that is said of one.
pub const TEXT_BYTES_MAX: usize = 512;

/// Events that a provider has given up after their last attempt, by the component that they were for. It is
/// asked by an operator, and no component imports it.
///
/// Where a provider's service keeps them, each of its replicas answers for all; otherwise each answers for
/// its own.
#[interface(name = "wrt:dead-letters", error = DeadLetterError)]
pub trait DeadLetters {
    /// Those of a component, the oldest first, from behind the one that is `after`. A page may be short
    /// although others follow: its `next` says so.
    #[operation(idempotent)]
    async fn list(
        &self,
        context: &CallContext,
        component: &str,
        after: Option<String>,
    ) -> Result<DeadLetterPage, DeadLetterError>;

    /// One of them, with the beginning of its data.
    ///
    /// # Errors
    /// [`DeadLetterError::NoSuchLetter`].
    #[operation(idempotent)]
    async fn open(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<OpenedLetter, DeadLetterError>;

    /// Hands one to its component once more, and to nobody else. It is no dead letter any more when that
    /// has handled it, and stays one when not.
    ///
    /// # Errors
    /// [`DeadLetterError::NotHandled`] with what the component says.
    async fn replay(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError>;

    /// Removes one for good.
    ///
    /// # Errors
    /// [`DeadLetterError::NoSuchLetter`].
    async fn discard(
        &self,
        context: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError>;
}

/// What is said of a dead letter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct DeadLetter {
    /// What it is known by, at its provider and for its component.
    pub id: String,
    /// What it was about: a topic.
    pub subject: String,
    /// Why its last attempt failed.
    pub reason: String,
    /// Attempts that have failed.
    pub attempts: u32,
    /// Where it came from, in the words of its provider.
    pub origin: String,
    /// Its size.
    pub bytes: u64,
}

/// Some dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct DeadLetterPage {
    /// At most [`PAGE_LETTERS_MAX`].
    pub letters: Vec<DeadLetter>,
    /// Behind which one the next page begins; none where this is the last.
    pub next: Option<String>,
}

/// A dead letter and its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct OpenedLetter {
    /// What is said of it.
    pub letter: DeadLetter,
    /// What stands beside its data.
    pub metadata: Vec<(String, String)>,
    /// Its first [`SHOWN_BYTES_MAX`] bytes.
    pub data: Vec<u8>,
}

/// Why something cannot be done with a dead letter.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum DeadLetterError {
    /// It may have been replayed or dropped.
    #[error("there is no dead letter {0:?}")]
    NoSuchLetter(String),
    /// The provider does not call that component.
    #[error("nothing is handed to a component {0:?} here")]
    NoSuchComponent(String),
    /// It stays a dead letter.
    #[error("it was not handled: {0}")]
    NotHandled(String),
    /// The provider's service does not do what it was asked for.
    #[error("{0}")]
    Service(String),
    /// The lattice, or the provider's way to its service, failed.
    #[error("{0}")]
    Fault(Fault),
}

/// As much of a text as is said of a dead letter.
#[must_use]
pub fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}
