//! `wrt ps`

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use comfy_table::{Table, presets};
use serde::Serialize;
use wrt_deployment::node_of_key;
use wrt_host::Printable;
use wrt_protocol::{
    NodeId,
    heartbeat::{NodeState, ReplicaReport, ReplicaState},
    limits::HEARTBEAT_INTERVAL,
    subject::Role,
};

use super::{
    args::{LatticeArgs, PsArgs},
    exit::Failure,
    output::Output,
    program,
};
use crate::{NodeStatus, SeenNode};

/// How long is listened at least: more than two beats of a node in a small lattice.
const LISTEN_MIN: Duration = HEARTBEAT_INTERVAL.saturating_mul(3);

pub async fn ps(lattice: &LatticeArgs, arguments: PsArgs, output: Output) -> Result<(), Failure> {
    let lattice = lattice.connect(Role::Observer).await?;
    let observer = lattice.observe().await?;
    observer.settle(LISTEN_MIN).await;
    let nodes = observer.nodes();
    let statuses = lattice.statuses(nodes.keys()).await;
    let is_shown = |replica: &ReplicaReport| {
        arguments
            .app
            .as_ref()
            .is_none_or(|app| replica.actor.app.as_str() == app)
    };
    let cordoned = cordoned(&statuses);
    let shown: Vec<ShownNode> = nodes
        .values()
        .map(|node| {
            let is_cordoned = cordoned.contains(&node.beat.node);
            ShownNode::new(node, statuses.get(&node.beat.node), is_cordoned, is_shown)
        })
        .collect();
    let is_away = |node: &&NodeId| !nodes.contains_key(*node);
    let away: Vec<_> = cordoned.iter().filter(is_away).collect();
    if shown.is_empty() {
        let text = format!(
            "no node is on lattice {}: start one with {}",
            lattice.name(),
            program::join()
        );
        output.result(
            &text,
            &serde_json::json!({ "nodes": [], "cordoned_away": [] }),
        );
    } else {
        let away_too = away
            .iter()
            .map(|node| format!("\n{node} is cordoned, and is not there"));
        let text = text(&shown) + &away_too.collect::<String>();
        output.result(
            &text,
            &serde_json::json!({ "nodes": shown, "cordoned_away": away }),
        );
    }
    lattice.close().await;
    Ok(())
}

/// Who takes nothing new: each node knows it best of itself, and of those that say nothing others do.
fn cordoned(statuses: &BTreeMap<NodeId, Option<NodeStatus>>) -> BTreeSet<NodeId> {
    let told = |node: &NodeId| statuses.get(node).and_then(Option::as_ref);
    let by_others = statuses.values().flatten().flat_map(|it| &it.cordoned);
    let by_others =
        by_others.filter(|node| told(node).is_none_or(|own| own.cordoned.contains(*node)));
    by_others.cloned().collect()
}

#[derive(Serialize)]
struct ShownNode {
    node: NodeId,
    epoch: u64,
    state: &'static str,
    /// Whether it takes nothing new.
    cordoned: bool,
    version: String,
    labels: BTreeMap<String, String>,
    replicas: Vec<ShownReplica>,
    log_messages_dropped: u64,
    /// Apps that are as they were last known, and why.
    held: BTreeMap<String, String>,
    /// Why the node cannot read the desired state.
    desired_trouble: Option<String>,
}

#[derive(Serialize)]
struct ShownReplica {
    actor: String,
    state: ReplicaState,
    running: u32,
    waiting: u32,
    concurrency_max: u32,
    handled: u64,
    refused: u64,
    address: Option<String>,
    error: Option<String>,
    /// What its server counts, in its backend's words, and what its gate has fenced off.
    counters: BTreeMap<String, u64>,
}

impl ShownNode {
    fn new(
        node: &SeenNode,
        status: Option<&Option<NodeStatus>>,
        cordoned: bool,
        is_shown: impl Fn(&ReplicaReport) -> bool,
    ) -> Self {
        let beat = &node.beat;
        let status = status.and_then(Option::as_ref);
        let replica = |report: &ReplicaReport| {
            let detail = status.and_then(|s| s.replicas.iter().find(|r| r.actor == report.actor));
            ShownReplica {
                actor: report.actor.to_string(),
                state: report.state,
                running: report.running,
                waiting: report.waiting,
                concurrency_max: report.concurrency_max,
                handled: report.handled,
                refused: report.refused,
                address: detail.and_then(|detail| detail.address.clone()),
                error: detail.and_then(|detail| detail.error.clone()),
                counters: detail.map(|it| it.counters.clone()).unwrap_or_default(),
            }
        };
        let state = match beat.state {
            _ if !node.is_alive() => "silent",
            NodeState::Serving if status.is_some_and(|status| status.is_isolated) => "isolated",
            NodeState::Serving => "serving",
            NodeState::Draining => "draining",
            NodeState::Leaving => "leaving",
        };
        Self {
            node: beat.node.clone(),
            epoch: beat.epoch.0,
            state,
            cordoned,
            version: beat.version.clone(),
            labels: beat.labels.iter().cloned().collect(),
            log_messages_dropped: status.map_or(0, |status| status.log_messages_dropped),
            held: status.map(|status| status.held.clone()).unwrap_or_default(),
            desired_trouble: status.and_then(|status| status.desired_trouble.clone()),
            replicas: beat
                .replicas
                .iter()
                .filter(|r| is_shown(r))
                .map(replica)
                .collect(),
        }
    }
}

fn text(nodes: &[ShownNode]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "NODE", "STATE", "EPOCH", "ACTOR", "STATE", "RUNNING", "WAITING", "HANDLED", "REFUSED",
    ]);
    let mut notes = Vec::new();
    for node in nodes {
        let epoch = node.epoch.to_string();
        if node.log_messages_dropped > 0 {
            notes.push(format!(
                "{} messages are missing in the log of {}: its standard error is read too slowly",
                node.log_messages_dropped, node.node
            ));
        }
        let state = match (node.cordoned, node.state) {
            (true, "serving") => "cordoned",
            (_, state) => state,
        };
        let first = [node.node.to_string(), state.to_owned(), epoch];
        if node.replicas.is_empty() {
            table.add_row(first.iter().map(String::as_str).chain(["-"; 6]));
        }
        for replica in &node.replicas {
            let mut row = first.to_vec();
            row.extend(replica.cells());
            table.add_row(row);
            if let Some(error) = &replica.error {
                let error = Printable(error);
                notes.push(format!("{} on {}: {error}", replica.actor, node.node));
            }
            notes.extend(replica.counted(&node.node));
        }
    }
    notes.extend(desired_notes(nodes));
    // The lines of a table without borders end in blanks.
    let lines: Vec<String> = table
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let notes = notes.iter().map(|note| format!("\n{note}"));
    notes.fold(lines.join("\n"), |text, note| text + &note)
}

/// What nodes make of the desired state where they do not follow it: each thing once, with the nodes.
fn desired_notes(nodes: &[ShownNode]) -> Vec<String> {
    let mut troubles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut held: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for node in nodes {
        if let Some(trouble) = &node.desired_trouble {
            troubles
                .entry(trouble)
                .or_default()
                .push(node.node.as_str());
        }
        for (app, reason) in &node.held {
            held.entry((app, reason))
                .or_default()
                .push(node.node.as_str());
        }
    }
    let trouble = |(trouble, nodes): (&str, Vec<&str>)| {
        let (nodes, trouble) = (nodes.join(", "), Printable(trouble));
        format!(
            "the desired state cannot be read on {nodes}, and what is known of it stays: {trouble}"
        )
    };
    let held_app = |((app, reason), nodes): ((&str, &str), Vec<&str>)| {
        let (nodes, program) = (nodes.join(", "), program::name());
        if let Some(cordoned) = node_of_key(app) {
            return format!(
                "whether {cordoned} is cordoned stays as it was last known on {nodes}: {}; \
                 `{program} node cordon {cordoned}` or `uncordon` says it anew",
                Printable(reason)
            );
        }
        format!(
            "app {} stays as it was last known on {nodes}: {}; `{program} up` of its manifest \
             restores it, `{program} down {}` removes it",
            Printable(app),
            Printable(reason),
            Printable(app)
        )
    };
    let troubles = troubles.into_iter().map(trouble);
    troubles.chain(held.into_iter().map(held_app)).collect()
}

impl ShownReplica {
    /// What its server has counted, if anything.
    fn counted(&self, node: &NodeId) -> Option<String> {
        let counted = self.counters.iter().filter(|(_, count)| **count > 0);
        let counted: Vec<_> = counted
            .map(|(name, count)| format!("{count} {}", Printable(&name.replace('_', " "))))
            .collect();
        let counted = (!counted.is_empty()).then(|| counted.join(", "))?;
        Some(format!("{} on {node}: {counted}", self.actor))
    }

    fn cells(&self) -> [String; 6] {
        let actor = match &self.address {
            Some(address) => format!("{} at {}", self.actor, Printable(address)),
            None => self.actor.clone(),
        };
        let running = match self.concurrency_max {
            0 => self.running.to_string(),
            max => format!("{}/{max}", self.running),
        };
        let state = replica_state(self.state).to_owned();
        let (waiting, handled) = (self.waiting.to_string(), self.handled.to_string());
        [
            actor,
            state,
            running,
            waiting,
            handled,
            self.refused.to_string(),
        ]
    }
}

/// A replica's state as people read it.
pub fn replica_state(state: ReplicaState) -> &'static str {
    match state {
        ReplicaState::Starting => "starting",
        ReplicaState::Ready => "ready",
        ReplicaState::Failing => "failing",
        ReplicaState::Draining => "draining",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_counts_is_told_where_there_is_something() {
        let mut replica = ShownReplica {
            actor: "shop/provider/bus".to_owned(),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: 0,
            handled: 0,
            refused: 0,
            address: None,
            error: None,
            counters: BTreeMap::from([("put_back".to_owned(), 0)]),
        };
        let node = NodeId::new("a").expect("a legal name");
        assert_eq!(replica.counted(&node), None);
        replica.counters = BTreeMap::from([
            ("dead_lettered".to_owned(), 1),
            ("put_back".to_owned(), 3),
            ("dropped".to_owned(), 0),
        ]);
        assert_eq!(
            replica.counted(&node).as_deref(),
            Some("shop/provider/bus on a: 1 dead lettered, 3 put back")
        );
    }

    #[test]
    fn a_log_with_gaps_is_told() {
        let mut node = ShownNode {
            node: NodeId::new("a").expect("a legal name"),
            epoch: 1,
            state: "serving",
            cordoned: false,
            version: "0".to_owned(),
            labels: BTreeMap::new(),
            replicas: Vec::new(),
            log_messages_dropped: 0,
            held: BTreeMap::new(),
            desired_trouble: None,
        };
        let whole = text(std::slice::from_ref(&node));
        assert!(!whole.contains("messages"), "{whole}");
        node.log_messages_dropped = 7;
        let gaps = text(&[node]);
        assert!(
            gaps.contains("\n7 messages are missing in the log of a"),
            "{gaps}"
        );
    }
}
