//! Starting a component.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use wrt_component::{ComponentActor, ComponentLimits, ComponentSpec};
use wrt_contract::{Links, Target};
use wrt_deployment::{DesiredComponent, LinkTable};
use wrt_host::Instances;
use wrt_protocol::{ActorAddress, Name};
use wrt_supervision::{Running, Start, StartError};

use super::{Parts, desired::Deduplication};
use crate::registry::{INTERFACES, LinkSite};

/// Fetches, compiles, links and offers a component.
pub(crate) struct ComponentStart {
    pub(crate) actor: ActorAddress,
    pub(crate) desired: DesiredComponent,
    pub(crate) deduplication: Deduplication,
    pub(crate) parts: Arc<Parts>,
}

impl Start for ComponentStart {
    fn start(&self) -> BoxFuture<'_, Result<Running, StartError>> {
        self.attempt().boxed()
    }
}

impl ComponentStart {
    async fn attempt(&self) -> Result<Running, StartError> {
        let Self {
            actor,
            desired,
            deduplication,
            parts,
        } = self;
        let compiled = parts.code.compiled(&parts.engines, desired.digest).await?;
        let environment = &desired.environment;
        let spec = ComponentSpec {
            actor: actor.clone(),
            compiled,
            environment: environment
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            limits: limits(desired),
            links: Arc::new(parts.links(&actor.app, &desired.links, deduplication)),
        };
        let component = ComponentActor::new(spec, &parts.hosts).map_err(refused)?;
        let gate = component.gate();
        let mut offers = Vec::new();
        for interface in INTERFACES {
            let instances = Arc::clone(&component) as Arc<dyn Instances>;
            let offer = (interface.offer)(instances, gate);
            offers.extend(
                offer.map_err(|error| refused(std::io::Error::other(format!("{error:#}"))))?,
            );
        }
        Ok(Running {
            offers,
            probe: None,
            gate: Arc::clone(gate),
        })
    }
}

impl Parts {
    /// The links of a component of `app`.
    fn links(&self, app: &Name, table: &LinkTable, deduplication: &Deduplication) -> Links {
        let mut links = Links::default();
        for interface in INTERFACES {
            for (name, provider) in table.get(&interface.name).into_iter().flatten() {
                let target = Target {
                    address: ActorAddress::provider(app.clone(), provider.clone()),
                    deduplicates_for: deduplication.of_provider(provider),
                };
                let site = LinkSite {
                    directory: &self.directory,
                    caller: &self.caller,
                    target,
                };
                (interface.link)(&site, &mut links, name.clone());
            }
        }
        links
    }
}

fn limits(desired: &DesiredComponent) -> ComponentLimits {
    ComponentLimits {
        memory_bytes_max: desired.limits.memory_bytes_max,
        wall_time_max: Duration::from_millis(desired.limits.wall_time_ms_max),
        concurrency_max: desired.limits.concurrency_max,
        queue_max: desired.limits.queue_max,
        ..ComponentLimits::default()
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Refused(Box::new(error))
}
