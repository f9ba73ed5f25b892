//! `wrt down`

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, timeout_at};
use wrt_protocol::{Name, NodeId, limits::HEARTBEAT_INTERVAL};

use super::{
    args::{DownArgs, LatticeArgs},
    exit::Failure,
    output::Output,
};
use crate::{Observer, lattice::Lattice};

pub async fn down(
    lattice: &LatticeArgs,
    arguments: DownArgs,
    output: Output,
) -> Result<(), Failure> {
    let app = Name::new(&arguments.app).map_err(|error| Failure::usage(error.to_string()))?;
    let lattice = Lattice::connect(&lattice.lattice, lattice.lattice_name.clone()).await?;
    let store = lattice.store().await?;
    if !store.delete(&app).await? {
        let names: Vec<String> = store
            .snapshot()
            .await?
            .apps
            .keys()
            .map(ToString::to_string)
            .collect();
        let deployed = match names.as_slice() {
            [] => "nothing is deployed".to_owned(),
            names => format!("deployed are: {}", names.join(", ")),
        };
        return Err(Failure::failed(anyhow::anyhow!(
            "no app {app} is deployed on lattice {}; {deployed}",
            lattice.name()
        )));
    }
    let observer = lattice.observe().await?;
    let ended = match arguments.timeout {
        0 => Ok(()),
        seconds => wait(&observer, &app, Duration::from_secs(seconds)).await,
    };
    lattice.close().await;
    ended?;
    let json = serde_json::json!({ "app": app, "gone": arguments.timeout > 0 });
    let text = match arguments.timeout {
        0 => format!("{app} is removed; the nodes stop it"),
        _ => format!("{app} is down: nothing of it runs"),
    };
    output.result(&text, &json);
    Ok(())
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
