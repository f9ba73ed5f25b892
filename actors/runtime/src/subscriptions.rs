//! What a provider's service keeps for a component, and how it is dropped.

use wrt_contract::{CallContext, interface};

use crate::DeadLetterError;

/// The subscriptions of a provider, one for each component that it calls. They are ended and dropped by an
/// operator; no component imports this.
#[interface(name = "wrt:subscriptions", error = DeadLetterError)]
pub trait Subscriptions {
    /// Ends what this replica does for a component, until the provider is started again: it takes nothing
    /// more, and has nothing in hand when this returns.
    ///
    /// # Errors
    /// [`DeadLetterError::NoSuchComponent`]; a fault where it has not ended in time.
    #[operation(idempotent)]
    async fn end(&self, context: &CallContext, component: &str) -> Result<(), DeadLetterError>;

    /// Drops what the service keeps for a component: how far it has come, its failed attempts, its dead
    /// letters. Every replica must have ended before: one that goes on would begin anew.
    ///
    /// # Errors
    /// What could not be dropped.
    #[operation(idempotent)]
    async fn purge(&self, context: &CallContext, component: &str) -> Result<(), DeadLetterError>;
}
