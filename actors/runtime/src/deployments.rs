//! What is deployed of an app, as far as its providers need to know.

use std::time::Duration;

use wrt_protocol::Name;

/// Says what is deployed of the components of an app.
pub trait Deployments: Send + Sync + 'static {
    /// Of that component, as this node knows it now; none where it knows of none.
    fn of(&self, component: &Name) -> Option<Deployment>;
}

/// A component as it is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The revision of its app.
    pub revision: u64,
    /// What stands for all that it is made of.
    pub specification: String,
    /// What one invocation of it may take.
    pub wall_time_max: Duration,
}

impl Deployments for crate::Alone {
    fn of(&self, _: &Name) -> Option<Deployment> {
        None
    }
}
