//! Starting a trigger.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use wrt_contract::{CallContext, Gate, GateLimits};
use wrt_deployment::DesiredTrigger;
use wrt_http::{HttpHandler, HttpHandlerInterface};
use wrt_protocol::{ActorAddress, Name};
use wrt_supervision::{Running, Start, StartError};

use super::{Parts, provider::unknown_backend};
use crate::registry::{self, LinkSite, TriggerSettings};

/// Listens, and hands requests to components wherever they run.
pub(crate) struct TriggerStart {
    pub(crate) actor: ActorAddress,
    pub(crate) desired: DesiredTrigger,
    pub(crate) parts: Arc<Parts>,
}

impl Start for TriggerStart {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        self.attempt().boxed()
    }
}

impl TriggerStart {
    async fn attempt(&self) -> Result<Running, StartError> {
        let Self {
            actor,
            desired,
            parts,
        } = self;
        let entry = registry::TRIGGERS
            .iter()
            .find(|entry| entry.name == desired.backend);
        let entry = entry.ok_or_else(|| unknown_backend(&desired.backend))?;
        let lookup = |variable: &str| std::env::var(variable).ok();
        let config = desired.config.resolve(&lookup);
        let settings = TriggerSettings {
            desired: desired.clone(),
            config: config.map_err(|missing| StartError::Refused(Box::new(missing)))?,
            handlers: self.handlers(),
        };
        parts.servers.give_up_port(actor, &desired.address);
        let server = (entry.start)(settings).await?;
        tracing::info!(%actor, address = %server.address, "listens");
        // The server bounds its requests itself; the gate is what a drain waits at.
        let gate = Gate::new(GateLimits {
            concurrency_max: 1,
            queue_max: 0,
        });
        let permit = gate.admit(&CallContext::default()).await;
        let permit = permit.map_err(|fault| StartError::Transient(Box::new(fault)))?;
        parts
            .servers
            .insert(actor, &desired.address, server, permit);
        Ok(Running {
            offers: Vec::new(),
            probe: None,
            gate,
        })
    }

    fn handlers(&self) -> registry::Handlers {
        let (app, parts) = (self.actor.app.clone(), Arc::clone(&self.parts));
        Box::new(move |component: &Name| -> Arc<dyn HttpHandler> {
            let target = ActorAddress::component(app.clone(), component.clone());
            let site = LinkSite {
                directory: &parts.directory,
                caller: &parts.caller,
                target: target.into(),
            };
            site.object::<HttpHandlerInterface>()
        })
    }
}
