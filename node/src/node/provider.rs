//! Starting a provider.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use wrt_contract::{Gate, GateLimits};
use wrt_deployment::DesiredProvider;
use wrt_protocol::ActorAddress;
use wrt_supervision::{Running, Start, StartError};

use crate::registry;

/// Resolves a provider's secrets, connects it and offers it.
pub(crate) struct ProviderStart {
    pub(crate) actor: ActorAddress,
    pub(crate) desired: DesiredProvider,
}

impl Start for ProviderStart {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        self.attempt().boxed()
    }
}

impl ProviderStart {
    async fn attempt(&self) -> Result<Running, StartError> {
        let backend = &self.desired.backend;
        let entry = registry::PROVIDERS
            .iter()
            .find(|entry| entry.name == backend);
        let entry = entry.ok_or_else(|| unknown_backend(backend))?;
        // Read at each attempt; the environment of a process does not change, and a refused attempt
        // is made rarely.
        let lookup = |variable: &str| std::env::var(variable).ok();
        let config = self.desired.config.resolve(&lookup);
        let config = config.map_err(|missing| StartError::Refused(Box::new(missing)))?;
        let limits = self.desired.limits;
        let limits = GateLimits {
            concurrency_max: limits.concurrency_max,
            queue_max: limits.queue_max,
        };
        let gate = Gate::of_actor(self.actor.clone(), limits);
        let connected = (entry.connect)(config, Arc::clone(&gate)).await?;
        Ok(Running {
            offers: connected.offers,
            probe: connected.probe,
            gate,
        })
    }
}

/// The manifest was checked by a build that has it.
pub(crate) fn unknown_backend(backend: &str) -> StartError {
    let reason =
        format!("this build has no backend `{backend}`: bring the node to the build of `wrt`");
    StartError::Refused(reason.into())
}
