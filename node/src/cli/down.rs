//! `wrt down`

mod purge;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use wrt_deployment::{Removed, Store};
use wrt_protocol::{Name, NodeId, limits::HEARTBEAT_INTERVAL, subject::Role};
use wrt_runtime::Runtime;

use super::{
    args::{DownArgs, LatticeArgs},
    collect::collect,
    exit::Failure,
    output::Output,
    program,
};
use crate::{NodeStatus, Observer, lattice::Lattice};
use purge::purge;

pub async fn down(
    runtime: &Runtime,
    lattice: &LatticeArgs,
    arguments: DownArgs,
    output: Output,
) -> Result<(), Failure> {
    let app = Name::new(&arguments.app).map_err(|error| Failure::usage(error.to_string()))?;
    let lattice = lattice.connect(Role::Operator).await?;
    let store = lattice.store().await?;
    let observer = lattice.observe().await?;
    if arguments.purge {
        purge(runtime, &lattice, store.as_ref(), &observer, &app).await?;
    }
    let removed = remove(&lattice, store.as_ref(), &observer, &app).await?;
    if let Some(store) = &store {
        collect(store, &removed.code, output).await;
    }
    let ended = match arguments.timeout {
        0 => Ok(()),
        seconds => wait(&observer, &app, Duration::from_secs(seconds)).await,
    };
    lattice.close().await;
    ended?;
    let gone = arguments.timeout > 0;
    let json = serde_json::json!({ "app": app, "gone": gone, "purged": arguments.purge });
    let text = match arguments.timeout {
        0 => format!("{app} is removed; the nodes stop it"),
        _ => format!("{app} is down: nothing of it runs"),
    };
    output.result(&text, &json);
    Ok(())
}

/// Removes an app from the desired state; also one that only the nodes know any more.
async fn remove(
    lattice: &Lattice,
    store: Option<&Store>,
    observer: &Observer,
    app: &Name,
) -> Result<Removed, Failure> {
    if let Some(store) = store
        && let Some(removed) = store.delete(app).await?
    {
        return Ok(removed);
    }
    let holders = holders(lattice, observer, app).await;
    match (store, holders.as_slice()) {
        (Some(store), []) => Err(not_deployed(lattice, app, Some(store)).await?),
        (None, []) => Err(not_deployed(lattice, app, None).await?),
        (Some(store), _) => {
            store.mark_removed(app).await?;
            Ok(Removed::default())
        }
        (None, holders) => {
            let nodes: Vec<String> = holders.iter().map(ToString::to_string).collect();
            Err(Failure::failed(anyhow::anyhow!(
                "lattice {} has no desired state any more from which {app} could be removed; what is \
                 known of it stays on {}. `{program} up` of its manifest makes the desired state \
                 anew, and then `{program} down` removes it",
                lattice.name(),
                nodes.join(", "),
                program = program::name(),
            )))
        }
    }
}

async fn not_deployed(
    lattice: &Lattice,
    app: &Name,
    store: Option<&Store>,
) -> Result<Failure, Failure> {
    let apps = match store {
        Some(store) => store.snapshot().await?.apps,
        None => BTreeMap::new(),
    };
    let names: Vec<String> = apps.keys().map(ToString::to_string).collect();
    let deployed = match names.as_slice() {
        [] => "nothing is deployed".to_owned(),
        names => format!("deployed are: {}", names.join(", ")),
    };
    Ok(Failure::failed(anyhow::anyhow!(
        "no app {app} is deployed on lattice {}; {deployed}",
        lattice.name()
    )))
}

/// The nodes that hold on to what they know of an app, whatever is stored.
async fn holders(lattice: &Lattice, observer: &Observer, app: &Name) -> Vec<NodeId> {
    observer.settle(HEARTBEAT_INTERVAL * 3).await;
    let nodes = observer.nodes();
    let statuses = lattice.statuses(nodes.keys()).await;
    let holds = |status: &NodeStatus| status.held.contains_key(app.as_str());
    let holders = statuses.into_iter();
    holders
        .filter(|(_, status)| status.as_ref().is_some_and(holds))
        .map(|(node, _)| node)
        .collect()
}

async fn wait(observer: &Observer, app: &Name, patience: Duration) -> Result<(), Failure> {
    let end = Instant::now() + patience;
    // Whoever runs it still says so in its next beats.
    observer.settle(HEARTBEAT_INTERVAL * 3).await;
    loop {
        let still = runs_on(observer, app);
        if still.is_empty() {
            return Ok(());
        }
        if timeout_at(end, observer.heard()).await.is_err() {
            let nodes: Vec<String> = still.iter().map(ToString::to_string).collect();
            return Err(Failure::too_late(format!(
                "{app} is removed, and after {} s something of it still runs on {}; calls in hand \
                 may go on for the node's patience",
                patience.as_secs(),
                nodes.join(", ")
            )));
        }
    }
}

fn runs_on(observer: &Observer, app: &Name) -> BTreeSet<NodeId> {
    let nodes = observer
        .nodes()
        .into_values()
        .filter(crate::SeenNode::is_alive);
    let runs = nodes.filter(|node| node.beat.replicas.iter().any(|r| r.actor.app == *app));
    runs.map(|node| node.beat.node).collect()
}
