//! `wrt-node join`: a node of a lattice.

mod epoch;
mod follow;
mod kept;
mod private_folder;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;
use wrt_component::Stdio;
use wrt_deployment::OWN_LABELS;
use wrt_protocol::{
    LatticeName, NodeId,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
    subject::{Role, Subjects},
};
use wrt_runtime::Runtime;
use wrt_transport::{Nats, ServiceInfo, Transport};

use super::{
    args::JoinArgs,
    exit::Failure,
    logging,
    metrics::Metrics,
    output::Output,
    run::{cache_folder, cache_options, drain, engines},
    signals::{asked_to_stop, bear_file_limit},
    telemetry::Telemetry,
    view::Shown,
};
use crate::{
    AppEnvironment, Code, CodeCache, FetchedCode, Node, NodeOptions, NodeStatus,
    journal::{EventLine, Journal, LogLine, Question},
    lattice::shown,
};
use follow::Follower;
use kept::Kept;

pub async fn join(runtime: Runtime, arguments: JoinArgs, output: Output) -> Result<(), Failure> {
    bear_file_limit();
    let logs = logging::keep();
    let lattice = arguments.lattice.lattice_name.clone();
    let name = node_name(&arguments)?;
    let mut telemetry = Telemetry::start(name.as_str())?;
    let mut metrics = Metrics::listen(arguments.process.metrics).await?;
    let mut shown_at = Shown::listen(arguments.view).await?;
    let url = &arguments.lattice.lattice;
    let folder = cache_folder(&arguments.process).map(|folder| folder.join("desired"));
    let kept = Kept::open(folder, url, &lattice, &name);
    let options = node_options(&arguments, &name, &kept)?;
    let engines = engines(&arguments.process)?;
    let servers = arguments.lattice.servers();
    let transport = servers.connect(name.clone(), &lattice, Role::Node).await?;
    let (opened, store) = watch::channel(None);
    let cache = Arc::new(CodeCache::open(cache_options(&arguments.process)));
    let code = FetchedCode::new(store.clone(), Arc::clone(&cache));
    let code = Code::Lattice(Arc::new(code));
    let epoch = options.epoch;
    let bus = Arc::clone(&transport) as Arc<dyn Transport>;
    let mut node = Node::start(options, runtime, bus, engines, code).await?;
    metrics.tell_of(&node, &mut telemetry, output);
    shown_at.show(&node, output);
    node.takes_leases_from(store);
    let journals = (logs, node.events());
    let _announced = announce(&transport, &node, journals, &lattice, output).await?;
    let text = format!("node {name} has joined lattice {lattice} at {}", shown(url));
    let json = serde_json::json!({ "joined": lattice, "node": name, "epoch": epoch });
    output.result(&text, &json);

    let fenced = node.fenced();
    let ended = tokio::select! {
        () = Follower::new(&node, &kept).run(&transport, &lattice, opened) => Ok(()),
        () = cache.keep(node.desires()) => Ok(()),
        () = asked_to_stop() => Ok(()),
        () = fenced.cancelled() => Err(Failure::failed(anyhow::anyhow!(
            "another node has joined under the name {name}, and this one stops: give each node its \
             own --name"
        ))),
    };
    telemetry.report();
    drain(node, output).await;
    transport.close().await;
    telemetry.finish().await;
    ended
}

fn node_options(arguments: &JoinArgs, name: &NodeId, kept: &Kept) -> Result<NodeOptions, Failure> {
    let own = arguments
        .labels
        .iter()
        .find(|(key, _)| key.starts_with(OWN_LABELS));
    if let Some((key, _)) = own {
        return Err(Failure::usage(format!(
            "--label {key}: labels that begin with {OWN_LABELS} are the node's own"
        )));
    }
    let offered = arguments.capacity.capacity().labels();
    let labels = [arguments.labels.clone(), offered].concat();
    let is_long = |(k, v): &(String, String)| k.len().max(v.len()) > LABEL_BYTES_MAX;
    // One more is said of each node: that it reads who makes a call.
    if labels.len() >= LABELS_MAX || labels.iter().any(is_long) {
        return Err(Failure::usage(format!(
            "a node has at most {LABELS_MAX} labels, what it offers among them, each key and value of \
             at most {LABEL_BYTES_MAX} bytes"
        )));
    }
    let epoch = epoch::next(kept.epoch());
    kept.keep_epoch(epoch);
    Ok(NodeOptions {
        lattice: arguments.lattice.lattice_name.clone(),
        node: name.clone(),
        epoch,
        labels,
        patience: Duration::from_secs(arguments.process.patience),
        environment: AppEnvironment::allowed(arguments.process.allow_env.clone()),
        stdio: Stdio::Log,
    })
}

fn node_name(arguments: &JoinArgs) -> Result<NodeId, Failure> {
    match &arguments.name {
        Some(name) => Ok(name.clone()),
        None => host_name(),
    }
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

async fn announce(
    transport: &Nats,
    node: &Node,
    (logs, events): (Arc<Journal<LogLine>>, Arc<Journal<EventLine>>),
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
    let epoch = info.epoch;
    let answer = move |asked: &[u8]| Question::answered(asked, epoch, &logs, &events);
    let status = node.status_source();
    let stats = move || {
        let status = NodeStatus {
            log_messages_dropped: output.log_messages_dropped(),
            ..status()
        };
        serde_json::to_value(status).unwrap_or_default()
    };
    Ok(transport.announce(info, stats, answer).await?)
}
