//! Where replicas are, for a program that is no node.

use std::collections::BTreeMap;

use wrt_contract::Interface;
use wrt_deployment::DesiredApp;
use wrt_protocol::{ActorAddress, Name, NodeId, limits::HEARTBEAT_INTERVAL};
use wrt_runtime::Runtime;

use super::exit::Failure;
use crate::lattice::{Lattice, SeenNode};

/// The nodes of a lattice, as they were heard.
pub struct Whereabouts(BTreeMap<NodeId, SeenNode>);

impl Whereabouts {
    /// Listens until all should have been heard.
    pub async fn of(lattice: &Lattice) -> Result<Self, Failure> {
        let observer = lattice.observe().await?;
        observer.settle(HEARTBEAT_INTERVAL * 3).await;
        Ok(Self(observer.nodes()))
    }

    /// Where the actor's replicas are.
    pub fn replicas(&self, actor: &ActorAddress) -> Vec<&SeenNode> {
        let alive = self.0.values().filter(|node| node.is_alive());
        let has_it = alive.filter(|node| node.beat.replicas.iter().any(|it| it.actor == *actor));
        has_it.collect()
    }
}

/// An app, as it is deployed.
pub async fn deployed(lattice: &Lattice, app: &Name) -> Result<DesiredApp, Failure> {
    let stored = match lattice.store().await? {
        Some(store) => store.snapshot().await?.apps.remove(app),
        None => None,
    };
    let stored = stored.ok_or_else(|| {
        let text = format!("no app {app} is deployed on lattice {}", lattice.name());
        Failure::failed(anyhow::Error::msg(text))
    })?;
    Ok(stored.app)
}

/// The providers that call a component, and whose backends offer `I` for an operator. Of a backend that this
/// build does not have a node may know more.
pub fn who_offers<I: Interface>(
    runtime: &Runtime,
    app: &DesiredApp,
    component: &Name,
) -> Vec<Name> {
    let offers = |backend: &str| {
        let entry = runtime.backend(backend);
        entry.is_none_or(|entry| entry.offers().contains(&I::NAME))
    };
    let providers = app.providers.iter().filter(|(_, provider)| {
        let mut called = provider.calls.iter();
        called.any(|target| target.component == *component) && offers(&provider.backend)
    });
    providers.map(|(name, _)| name.clone()).collect()
}
