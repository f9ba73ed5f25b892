//! Starting a component.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use wrt_component::{ComponentActor, ComponentSpec, Surroundings};
use wrt_contract::{Callee, Links};
use wrt_deployment::{DesiredComponent, Digest, LinkEnd, LinkTable};
use wrt_host::{Instances, LinkSite, Package};
use wrt_protocol::ActorAddress;
use wrt_supervision::{Running, Start, StartError};

use super::{Parts, deduplication::Deduplication, links::LinksTo};

/// Fetches, compiles, links and offers a component.
pub(crate) struct ComponentStart {
    pub(crate) actor: ActorAddress,
    pub(crate) desired: DesiredComponent,
    pub(crate) deduplication: Deduplication,
    /// Stands for everything that it is made of.
    pub(crate) specification: Digest,
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
            specification,
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
            limits: desired.limits,
            links: Arc::new(parts.links(actor, &desired.links, deduplication)),
        };
        let surroundings = Surroundings {
            stdio: parts.stdio,
            specification: Some(specification.to_string()),
        };
        let packages = parts.runtime.packages();
        let component = ComponentActor::in_surroundings(spec, packages, surroundings);
        let component = component.map_err(refused)?;
        let gate = component.gate();
        gate.obeys(Arc::new(LinksTo {
            links: Arc::clone(&parts.linked),
            actor: actor.clone(),
        }));
        let mut offers = Vec::new();
        let known = parts.runtime.packages().iter().flat_map(Package::exported);
        let exports = component.exports();
        for exported in known.filter(|it| exports.iter().any(|export| it.includes(export))) {
            let instances = Arc::clone(&component) as Arc<dyn Instances>;
            let offer = (exported.offer)(instances, gate);
            offers.extend(
                offer.map_err(|error| refused(std::io::Error::other(format!("{error:#}"))))?,
            );
        }
        Ok(Running {
            offers,
            probe: None,
            close: None,
            gate: Arc::clone(gate),
        })
    }
}

impl Parts {
    /// The links of a component.
    fn links(
        &self,
        component: &ActorAddress,
        table: &LinkTable,
        deduplication: &Deduplication,
    ) -> Links {
        let mut links = Links::default();
        for (interface, named) in table {
            // The manifest was checked by a build that knows it; without it no import uses the link.
            let Some(kind) = self.runtime.link_kind(interface) else {
                continue;
            };
            for (name, end) in named {
                let target = Callee {
                    address: end.of_app(&component.app),
                    deduplicates_for: match end {
                        LinkEnd::Provider(name) => deduplication.of_provider(name),
                        LinkEnd::Component(_) => None,
                    },
                };
                let site = LinkSite {
                    directory: &self.directory,
                    caller: &self.caller,
                    origin: component.clone().into(),
                    target,
                };
                kind.link(&site, &mut links, name.clone());
            }
        }
        links
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Refused(Box::new(error))
}
