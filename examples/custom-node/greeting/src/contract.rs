//! The two contracts.

use serde::{Deserialize, Serialize};
use wrt_contract::{Body, CallContext, InterfaceError, Schema, interface};
use wrt_protocol::Fault;

/// Greets.
#[interface(name = "example:greeting", error = GreetingError)]
pub trait Greeting {
    /// A greeting, with the name in it.
    #[operation(idempotent)]
    async fn greet(&self, context: &CallContext, name: &str) -> Result<String, GreetingError>;

    /// The greeting so many times, a line each: a body, which is never here as a whole.
    #[operation(idempotent)]
    async fn recite(
        &self,
        context: &CallContext,
        name: &str,
        times: u32,
    ) -> Result<Body<GreetingError>, GreetingError>;
}

/// Is told the time.
#[interface(name = "example:greeting/listener", error = Fault)]
pub trait Listener {
    /// The tick of that number.
    async fn tick(&self, context: &CallContext, count: u64) -> Result<(), Fault>;
}

/// Why there is no greeting.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum GreetingError {
    /// Nobody is not greeted.
    #[error("nobody is not greeted")]
    Nameless,
    /// The lattice failed.
    #[error("{0}")]
    Fault(Fault),
}
