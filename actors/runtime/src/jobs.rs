//! Components that run to their end, as an operator starts them.

use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, InterfaceError, Schema, interface};
use wrt_protocol::Fault;

/// The jobs of a provider: components that it runs to their end. Whoever starts one by hand asks this; no
/// component imports it.
#[interface(name = "wrt:jobs", error = JobError)]
pub trait Jobs {
    /// Runs a component once, with these arguments behind its name, and answers its exit code.
    ///
    /// # Errors
    /// [`JobError::Elsewhere`] where another replica has to be asked.
    ///
    /// # Cancel safety
    /// Dropping the future stops the component.
    async fn run(
        &self,
        context: &CallContext,
        component: &str,
        arguments: &[String],
    ) -> Result<u8, JobError>;
}

/// Why a job has not run to its end.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema, thiserror::Error, InterfaceError,
)]
pub enum JobError {
    /// The provider does not run that component.
    #[error("no component {0:?} is run here")]
    NoSuchComponent(String),
    /// One replica of the provider runs it, so that it runs once at a time, and this is another.
    #[error("another replica of the provider runs it")]
    Elsewhere,
    /// It runs already, and no more than once at a time.
    #[error("it is running, and runs once at a time")]
    IsRunning,
    /// It was not started, or has not come to its end.
    #[error("{0}")]
    Fault(Fault),
}
