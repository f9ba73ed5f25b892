//! What brokers keep for an app's subscriptions, dropped before the app is removed.

use std::time::Duration;

use wrt_contract::{CallContext, Interface as _};
use wrt_deployment::{DesiredApp, Store};
use wrt_protocol::{ActorAddress, Name, limits::HEARTBEAT_INTERVAL};
use wrt_runtime::{Runtime, SubscriptionsInterface};

use crate::{Observer, SeenNode, cli::exit::Failure, lattice::Lattice};

/// How long a replica may take to end what it has in hand.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// How long a broker may take to drop what it keeps.
const DROPS_WITHIN: Duration = Duration::from_secs(20);

/// Ends the subscriptions on all nodes, and then has each replica drop what its broker keeps: one that went on
/// would begin anew.
pub async fn purge(
    runtime: &Runtime,
    lattice: &Lattice,
    store: Option<&Store>,
    observer: &Observer,
    app: &Name,
) -> Result<(), Failure> {
    let stored = match store {
        Some(store) => store.snapshot().await?.apps.remove(app),
        None => None,
    };
    let stored = stored.ok_or_else(|| {
        Failure::failed(anyhow::anyhow!(
            "{app} is not deployed on lattice {}: only what runs can be purged",
            lattice.name()
        ))
    })?;
    observer.settle(HEARTBEAT_INTERVAL * 3).await;
    let mut kept = Vec::new();
    for (provider, components) in keepers(runtime, &stored.app) {
        let actor = ActorAddress::provider(app.clone(), provider.clone());
        let nodes = replicas(observer, &actor);
        if nodes.is_empty() {
            return Err(Failure::failed(anyhow::anyhow!(
                "no node runs the provider {provider} of {app} now, which could purge; nothing is removed"
            )));
        }
        for node in nodes {
            let client = lattice.client::<SubscriptionsInterface>(&node, actor.clone());
            kept.push((client, components.clone()));
        }
    }
    for (client, components) in &kept {
        for component in components {
            let context = CallContext::with_budget(ENDS_WITHIN);
            client.end(&context, component.as_str()).await?;
        }
    }
    for (client, components) in &kept {
        for component in components {
            let context = CallContext::with_budget(DROPS_WITHIN);
            client.purge(&context, component.as_str()).await?;
        }
    }
    Ok(())
}

/// The providers whose services keep something for components, and for which.
fn keepers(runtime: &Runtime, app: &DesiredApp) -> Vec<(Name, Vec<Name>)> {
    let keeps = |backend: &str| {
        let entry = runtime.backend(backend);
        entry.is_none_or(|entry| entry.offers().contains(&SubscriptionsInterface::NAME))
    };
    let calls = app
        .providers
        .iter()
        .filter(|(_, provider)| !provider.calls.is_empty() && keeps(&provider.backend));
    let components = calls.map(|(name, provider)| {
        let called = provider.calls.iter().map(|it| it.component.clone());
        (name.clone(), called.collect())
    });
    components.collect()
}

fn replicas(observer: &Observer, actor: &ActorAddress) -> Vec<SeenNode> {
    let nodes = observer.nodes().into_values();
    let has_it = nodes
        .filter(|node| node.is_alive() && node.beat.replicas.iter().any(|it| it.actor == *actor));
    has_it.collect()
}
