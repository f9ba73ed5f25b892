//! What is deployed of an app, for the providers that have to know.

use std::sync::Arc;

use tokio::sync::watch;
use wrt_deployment::Snapshot;
use wrt_protocol::Name;
use wrt_runtime::{Deployment, Deployments};

use super::desired::specification;

/// An app, by what this node was told last.
pub(crate) struct DeployedApp {
    pub(crate) app: Name,
    pub(crate) desired: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl Deployments for DeployedApp {
    fn of(&self, component: &Name) -> Option<Deployment> {
        let snapshot = self.desired.borrow().clone()?;
        let stored = snapshot.apps.get(&self.app)?;
        let desired = stored.app.components.get(component)?;
        Some(Deployment {
            revision: stored.revision.0,
            specification: specification(&stored.app, component)?.to_string(),
            wall_time_max: desired.limits.wall_time_max(),
        })
    }
}
