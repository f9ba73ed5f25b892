//! A node.

use std::collections::BTreeMap;

use serde::Serialize;
use wrt_deployment::Capacity;
use wrt_protocol::{
    NodeId,
    heartbeat::{NodeState, ReplicaState},
};

use super::{Described, Scene, lines::Lines};
use crate::cli::ps::replica_state;

/// The form for programs.
#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    node: NodeId,
    /// None where it is not on the lattice.
    state: Option<&'static str>,
    cordoned: bool,
    /// What it keeps where it is cordoned.
    keeps: Vec<String>,
    epoch: Option<u64>,
    version: Option<String>,
    labels: BTreeMap<String, String>,
    capacity: ShownCapacity,
    replicas: Vec<ShownReplica>,
    /// What it does not follow of what is deployed, and why.
    held: BTreeMap<String, String>,
    desired_trouble: Option<String>,
    log_messages_dropped: u64,
}

#[derive(Serialize)]
struct ShownCapacity {
    memory_bytes: Option<u64>,
    concurrency: Option<u64>,
}

#[derive(Serialize)]
struct ShownReplica {
    actor: String,
    state: ReplicaState,
    running: u32,
    waiting: u32,
    handled: u64,
    refused: u64,
    listens_on: Option<String>,
    error: Option<String>,
}

pub(super) fn describe(scene: &Scene, node: &NodeId) -> Described {
    let shown = shown(scene, node);
    Described {
        text: text(&shown),
        json: serde_json::to_value(&shown).unwrap_or_default(),
    }
}

fn shown(scene: &Scene, node: &NodeId) -> Shown {
    let seen = scene.nodes.get(node);
    let status = scene.status(node);
    let labels: BTreeMap<_, _> = seen
        .map(|seen| seen.beat.labels.iter().cloned().collect())
        .unwrap_or_default();
    let capacity = Capacity::of_labels(&labels);
    let cordon = scene.desired.cordons.of(node);
    let replicas = seen.into_iter().flat_map(|seen| &seen.beat.replicas);
    let replicas = replicas.map(|report| {
        let replica = scene.replica(node, report);
        ShownReplica {
            actor: report.actor.to_string(),
            state: report.state,
            running: report.running,
            waiting: report.waiting,
            handled: report.handled,
            refused: report.refused,
            listens_on: replica.listens_on.map(str::to_owned),
            error: replica.error.map(str::to_owned),
        }
    });
    Shown {
        kind: "node",
        node: node.clone(),
        state: seen.map(|seen| match seen.beat.state {
            _ if !seen.is_alive() => "silent",
            NodeState::Serving if status.is_some_and(|it| it.is_isolated) => "isolated",
            NodeState::Serving => "serving",
            NodeState::Draining => "draining",
            NodeState::Leaving => "leaving",
        }),
        cordoned: cordon.is_some(),
        keeps: cordon
            .map(|cordon| cordon.keeps.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        epoch: seen.map(|seen| seen.beat.epoch.0),
        version: seen.map(|seen| seen.beat.version.clone()),
        capacity: ShownCapacity {
            memory_bytes: capacity.memory_bytes,
            concurrency: capacity.concurrency,
        },
        labels,
        replicas: replicas.collect(),
        held: status.map(|it| it.held.clone()).unwrap_or_default(),
        desired_trouble: status.and_then(|it| it.desired_trouble.clone()),
        log_messages_dropped: status.map_or(0, |it| it.log_messages_dropped),
    }
}

fn text(shown: &Shown) -> String {
    let mut lines = Lines::default();
    lines.add("node", shown.node.as_str());
    let state = shown.state.unwrap_or("not on the lattice");
    lines.add(
        "state",
        match shown.cordoned {
            true => format!("{state}, cordoned: it keeps {} replicas", shown.keeps.len()),
            false => state.to_owned(),
        },
    );
    if let (Some(epoch), Some(version)) = (shown.epoch, &shown.version) {
        lines.add("build", version);
        lines.add("epoch", epoch.to_string());
    }
    let labels = shown
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    lines.list("labels", labels);
    lines.list(
        "replicas",
        shown.replicas.iter().map(|it| {
            let place = it.listens_on.as_ref().map(|at| format!(" at {at}"));
            format!(
                "{}{}: {}, {} running, {} waiting, {} handled, {} refused",
                it.actor,
                place.unwrap_or_default(),
                replica_state(it.state),
                it.running,
                it.waiting,
                it.handled,
                it.refused
            )
        }),
    );
    let errors = shown.replicas.iter().filter_map(|it| {
        let error = it.error.as_ref()?;
        Some(format!("{}: {error}", it.actor))
    });
    let held = shown
        .held
        .iter()
        .map(|(key, reason)| format!("{key} stays as it was known: {reason}"));
    let trouble = shown.desired_trouble.iter();
    let trouble = trouble.map(|it| format!("cannot read what is deployed: {it}"));
    let dropped = (shown.log_messages_dropped > 0).then(|| {
        format!(
            "{} messages are missing in its log",
            shown.log_messages_dropped
        )
    });
    lines.list("troubles", errors.chain(held).chain(trouble).chain(dropped));
    lines.text()
}
