//! The node's side: the trait, its host glue, a vault in memory and the suite.

mod contents;
mod error;
mod memory;
mod name;
mod secret;
mod settings;

pub mod conformance;
pub mod host;
pub mod limits;

use wrt_contract::CallContext;

pub use contents::Contents;
pub use error::{Limit, VaultError};
pub use host::WrtVault;
pub use memory::VaultDefault;
pub use name::{Cursor, LockerName, NamePage, SecretName, Version};
pub use secret::{Secret, SecretValue};
pub use settings::offer;

/// Secrets with versions, in lockers.
///
/// Any locker exists: it is a part of the names of its vault, empty until the first secret. Two links to
/// one vault see the same lockers. An operation on one secret sees each that ended before it began.
#[wrt_contract::interface(name = "wrt:vault", error = VaultError)]
pub trait Vault {
    /// The newest value of a secret, or that of a version; none where there is no such secret, or no such
    /// value of it any more.
    #[operation(idempotent)]
    async fn get(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        version: Option<Version>,
    ) -> Result<Option<Secret>, VaultError>;

    /// Gives a secret a new value. The values before stay, at least the newest
    /// [`limits::VERSIONS_KEPT`] of all.
    ///
    /// Where it is tried again, an attempt whose answer was lost may have made a version too: with the
    /// same value, so that nothing is read but what was set.
    #[operation(idempotent)]
    async fn set(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        value: SecretValue,
    ) -> Result<Version, VaultError>;

    /// Deletes a secret with all its values; one that does not exist is no error. It can be set again at
    /// once, and its old versions stay gone.
    #[operation(idempotent)]
    async fn delete(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<(), VaultError>;

    /// Whether a secret exists.
    #[operation(idempotent)]
    async fn exists(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<bool, VaultError>;

    /// A page of the names, from the start or from the cursor of the page before: at most
    /// [`limits::PAGE_NAMES_MAX`]. A name that is there all the time is on one page at least; a page may
    /// be empty although others follow.
    ///
    /// # Errors
    /// [`VaultError::BadCursor`] for one that no listing gave.
    #[operation(idempotent)]
    async fn list(
        &self,
        context: &CallContext,
        locker: &LockerName,
        cursor: Option<Cursor>,
    ) -> Result<NamePage, VaultError>;

    /// The versions of a secret, the newest first: at most [`limits::VERSIONS_MAX`]. Empty where there is
    /// no such secret.
    #[operation(idempotent)]
    async fn versions(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<Vec<Version>, VaultError>;
}
