//! `wrt-node join`: a node of a lattice.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use futures::StreamExt as _;
use tokio::sync::watch;
use wrt_deployment::Store;
use wrt_protocol::{
    Epoch, LatticeName, NodeId,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
    subject::Subjects,
};
use wrt_runtime::Runtime;
use wrt_transport::{Nats, NatsOptions, ServiceInfo, Transport};

use super::{
    args::JoinArgs,
    exit::Failure,
    output::Output,
    run::{cache_folder, drain, engines},
    signals::asked_to_stop,
};
use crate::{
    AppEnvironment, Code, LatticeError, Node, NodeOptions, NodeStatus, catalog::chain,
    lattice::shown,
};

/// Pause before the store is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

pub async fn join(runtime: Runtime, arguments: JoinArgs, output: Output) -> Result<(), Failure> {
    let options = node_options(&arguments)?;
    let (lattice, name) = (options.lattice.clone(), options.node.clone());
    let engines = engines(&arguments.process)?;
    let url = &arguments.lattice.lattice;
    let transport = connect(url, &name).await?;
    let (opened, store) = watch::channel(None);
    let folder = cache_folder(&arguments.process).map(|folder| folder.join("components"));
    let code = Code::Lattice { store, folder };
    let epoch = options.epoch;
    let bus = Arc::clone(&transport) as Arc<dyn Transport>;
    let node = Node::start(options, runtime, bus, engines, code).await?;
    let _announced = announce(&transport, &node, &lattice, output).await?;
    let text = format!("node {name} has joined lattice {lattice} at {}", shown(url));
    let json = serde_json::json!({ "joined": lattice, "node": name, "epoch": epoch });
    output.result(&text, &json);

    let snapshots = snapshot_file(&arguments, &lattice, &name);
    let fenced = node.fenced();
    let ended = tokio::select! {
        never = follow(&node, &transport, &lattice, opened, snapshots) => never,
        () = asked_to_stop() => Ok(()),
        () = fenced.cancelled() => Err(Failure::failed(anyhow::anyhow!(
            "another node has joined under the name {name}, and this one stops: give each node its \
             own --name"
        ))),
    };
    drain(node, output).await;
    transport.close().await;
    ended
}

fn node_options(arguments: &JoinArgs) -> Result<NodeOptions, Failure> {
    let labels = arguments.labels.clone();
    let is_long = |(k, v): &(String, String)| k.len().max(v.len()) > LABEL_BYTES_MAX;
    if labels.len() > LABELS_MAX || labels.iter().any(is_long) {
        return Err(Failure::usage(format!(
            "a node has at most {LABELS_MAX} labels, each key and value of at most \
             {LABEL_BYTES_MAX} bytes"
        )));
    }
    let node = match &arguments.name {
        Some(name) => name.clone(),
        None => host_name()?,
    };
    Ok(NodeOptions {
        lattice: arguments.lattice.lattice_name.clone(),
        node,
        epoch: epoch(),
        labels,
        patience: Duration::from_secs(arguments.process.patience),
        environment: AppEnvironment::allowed(arguments.process.allow_env.clone()),
    })
}

/// The start of the process in milliseconds: greater than that of any earlier process of this name,
/// unless the wall clock went back; then the lattice refuses the name until it is right.
#[expect(
    clippy::disallowed_methods,
    reason = "an epoch must grow across restarts: only a wall clock does"
)]
fn epoch() -> Epoch {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Epoch(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn host_name() -> Result<NodeId, Failure> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let short = name
        .trim()
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    NodeId::new(&short).map_err(|_no_name| {
        Failure::usage("this host's name is no node name: give one with --name")
    })
}

async fn connect(url: &str, name: &NodeId) -> Result<Arc<Nats>, Failure> {
    let servers = url.split(',').map(|url| url.trim().to_owned()).collect();
    let transport = Nats::connect(NatsOptions::new(name.clone(), servers)).await;
    let unreachable = |source| LatticeError::Unreachable {
        url: shown(url),
        source,
    };
    Ok(transport.map_err(unreachable)?)
}

async fn announce(
    transport: &Nats,
    node: &Node,
    lattice: &LatticeName,
    output: Output,
) -> Result<wrt_transport::ServiceHandle, Failure> {
    let status = node.status();
    let info = ServiceInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        status_subject: Subjects::new(lattice).status(&status.node),
        node: status.node,
        epoch: status.epoch,
        metadata: HashMap::from([("lattice".to_owned(), lattice.to_string())]),
    };
    let status = node.status_source();
    let stats = move || {
        let status = NodeStatus {
            log_messages_dropped: output.log_messages_dropped(),
            ..status()
        };
        serde_json::to_value(status).unwrap_or_default()
    };
    Ok(transport.announce(info, stats).await?)
}

/// Follows the desired state for ever: from what was last known, until JetStream says otherwise.
async fn follow(
    node: &Node,
    transport: &Nats,
    lattice: &LatticeName,
    opened: watch::Sender<Option<Store>>,
    known: Option<PathBuf>,
) -> Result<(), Failure> {
    let mut is_fresh = false;
    loop {
        match Store::open(transport.control_client(), lattice).await {
            Ok(store) => {
                let mut snapshots = Box::pin(store.watch());
                opened.send_replace(Some(store));
                while let Some(snapshot) = snapshots.next().await {
                    is_fresh = true;
                    last_known::keep(known.as_deref(), &snapshot);
                    node.desire(snapshot);
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "cannot open the desired state; trying again"
                );
                if !is_fresh && let Some(snapshot) = last_known::read(known.as_deref()) {
                    tracing::warn!("serving what was last known");
                    node.desire(Arc::new(snapshot));
                    is_fresh = true;
                }
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

fn snapshot_file(arguments: &JoinArgs, lattice: &LatticeName, node: &NodeId) -> Option<PathBuf> {
    let folder = cache_folder(&arguments.process)?;
    Some(
        folder
            .join("desired")
            .join(format!("{lattice}-{node}.json")),
    )
}

mod last_known;
