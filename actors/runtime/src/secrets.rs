//! Secrets that the settings of providers refer to.

use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, InterfaceError, Schema, SecretBytes, interface};
use wrt_protocol::Fault;

/// What settings refer to by `{ vault = "...", secret = "..." }`. The node of the provider that has such
/// settings asks this of the provider that keeps them, each time when it connects; no component imports it.
#[interface(name = "wrt:secrets", error = SecretsError)]
pub trait Secrets {
    /// The newest value of a secret; none where there is no such secret. Where no locker is named it is that
    /// which guests get where they name none.
    #[operation(idempotent)]
    async fn read(
        &self,
        context: &CallContext,
        locker: Option<&str>,
        name: &str,
    ) -> Result<Option<SecretBytes>, SecretsError>;
}

/// Why a secret is not read. Holds none.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum SecretsError {
    /// No secret can be called so, or the vault does not let the provider read it: in words.
    #[error("{0}")]
    Refused(String),
    /// The vault did not answer.
    #[error("{0}")]
    Fault(Fault),
}
