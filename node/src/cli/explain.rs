//! `wrt explain`: why an actor is where it is, by what places it.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;
use wrt_deployment::{DesiredApp, Explanation, PlacementRule, Refusal, Verdict};
use wrt_host::Printable;
use wrt_protocol::{
    ActorAddress, Name, NodeId, heartbeat::ReplicaState, limits::HEARTBEAT_INTERVAL, subject::Role,
};

use super::{
    args::{ExplainArgs, LatticeArgs},
    exit::Failure,
    output::Output,
    program,
    ps::replica_state,
};
use crate::lattice::SeenNode;

pub async fn explain(
    lattice: &LatticeArgs,
    arguments: &ExplainArgs,
    output: Output,
) -> Result<(), Failure> {
    let lattice = lattice.connect(Role::Observer).await?;
    let store = lattice.store().await?;
    let desired = match &store {
        Some(store) => store.snapshot().await?,
        None => Default::default(),
    };
    let apps: Vec<&DesiredApp> = desired.apps.values().map(|stored| &stored.app).collect();
    let actor = named(&arguments.actor, &apps).map_err(|failure| {
        let (app, _) = arguments.actor.rsplit_once('/').unwrap_or_default();
        let app = app.rsplit('/').next().unwrap_or_default();
        match desired.held.get(app) {
            Some(reason) => held(app, reason),
            None => failure,
        }
    })?;
    let observer = lattice.observe().await?;
    observer.settle(HEARTBEAT_INTERVAL * 3).await;
    let (members, nodes) = (observer.members(&desired.cordons), observer.nodes());
    let explained = wrt_deployment::explain(apps.iter().copied(), &members, &actor);
    let rule = rule(&actor, &apps);
    let (Some(explained), Some(rule)) = (explained, rule) else {
        return Err(nobody(&actor.to_string(), &apps));
    };
    let shown = Shown::new(&explained, rule, &nodes);
    output.result(&shown.text(), &shown);
    lattice.close().await;
    Ok(())
}

/// The actor that is meant.
pub fn named(text: &str, apps: &[&DesiredApp]) -> Result<ActorAddress, Failure> {
    if let Ok(actor) = text.parse::<ActorAddress>() {
        return match rule(&actor, apps) {
            Some(_) => Ok(actor),
            None => Err(nobody(text, apps)),
        };
    }
    let parts = text.split_once('/');
    let names = parts.and_then(|(app, name)| Some((Name::new(app).ok()?, Name::new(name).ok()?)));
    let Some((app, name)) = names else {
        return Err(Failure::usage(format!(
            "{} names no actor: write APP/NAME, or as `{} ps` shows it",
            Printable(text),
            program::name()
        )));
    };
    let component = ActorAddress::component(app.clone(), name.clone());
    let provider = ActorAddress::provider(app, name);
    let is_there = |actor: &ActorAddress| rule(actor, apps).is_some();
    match (is_there(&component), is_there(&provider)) {
        (true, true) => Err(Failure::usage(format!(
            "{text} is a component and a provider: say {component} or {provider}"
        ))),
        (true, false) => Ok(component),
        (false, true) => Ok(provider),
        (false, false) => Err(nobody(text, apps)),
    }
}

fn rule<'a>(actor: &ActorAddress, apps: &[&'a DesiredApp]) -> Option<&'a PlacementRule> {
    let mut actors = apps.iter().flat_map(|app| app.actors());
    let (_, rule) = actors.find(|(desired, _)| desired == actor)?;
    Some(rule)
}

/// Of an app that is there, and that this build makes nothing of.
fn held(app: &str, reason: &str) -> Failure {
    let (app, reason) = (Printable(app), Printable(reason));
    Failure::failed(anyhow::anyhow!("app {app} cannot be explained: {reason}"))
}

fn nobody(text: &str, apps: &[&DesiredApp]) -> Failure {
    let actors = apps.iter().flat_map(|app| app.actors());
    let known = actors.map(|(actor, _)| (format!("{}/{}", actor.app, actor.name), actor));
    let known: BTreeMap<_, _> = known.collect();
    let short = ["component/", "provider/"].map(|kind| text.strip_prefix(kind));
    let short = short.into_iter().flatten().next().unwrap_or(text);
    let near = wrt_deployment::nearest(short, known.keys().map(String::as_str));
    let help = match near.and_then(|near| known.get(near)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("`{} ps` shows what runs", program::name()),
    };
    Failure::failed(anyhow::anyhow!(
        "nothing that is deployed is called {}: {help}",
        Printable(text)
    ))
}

/// The JSON form, which is stable.
#[derive(Serialize)]
struct Shown {
    actor: String,
    wanted: usize,
    placed: usize,
    /// What its rule asks for, in words.
    asks: String,
    nodes: Vec<ShownNode>,
}

#[derive(Serialize)]
struct ShownNode {
    node: NodeId,
    placed: bool,
    /// How many nodes come before it; none where it cannot have one.
    rank: Option<usize>,
    /// What the node says that it has.
    runs: Option<ReplicaState>,
    reasons: Vec<ShownReason>,
}

#[derive(Serialize)]
struct ShownReason {
    #[serde(flatten)]
    refusal: Refusal,
    text: String,
    remedy: String,
}

impl Shown {
    fn new(
        explained: &Explanation,
        rule: &PlacementRule,
        seen: &BTreeMap<NodeId, SeenNode>,
    ) -> Self {
        let nodes = explained.nodes.iter();
        let nodes = nodes.map(|(node, verdict)| {
            let mut replicas = seen.get(node).into_iter().flat_map(|it| &it.beat.replicas);
            let runs = replicas.find(|it| it.actor == explained.actor);
            let (placed, rank, refusals) = match verdict {
                Verdict::Placed { rank } => (true, Some(*rank), [].as_slice()),
                Verdict::Spare { rank } => (false, Some(*rank), [].as_slice()),
                Verdict::Refused(refusals) => (false, None, refusals.as_slice()),
            };
            ShownNode {
                node: node.clone(),
                placed,
                rank,
                runs: runs.map(|it| it.state),
                reasons: refusals.iter().map(ShownReason::new).collect(),
            }
        });
        Self {
            actor: explained.actor.to_string(),
            wanted: explained.wanted,
            placed: explained.placed,
            asks: asks(explained, rule),
            nodes: nodes.collect(),
        }
    }

    fn text(&self) -> String {
        let Self {
            actor,
            wanted,
            placed,
            asks,
            nodes,
        } = self;
        let mut lines = vec![
            format!("{actor} has a place for {placed} of {wanted} replicas"),
            format!("it asks for {asks}"),
        ];
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["NODE", "PLACED", "RUNS", "WHY"]);
        for node in nodes {
            table.add_row([
                node.node.to_string(),
                if node.placed { "yes" } else { "no" }.to_owned(),
                node.runs.map_or("-", replica_state).to_owned(),
                node.why(),
            ]);
        }
        if nodes.is_empty() {
            lines.push(format!(
                "no node is there: start one with {}",
                program::join()
            ));
        } else {
            let table = table.to_string();
            // The lines of a table without borders end in blanks.
            lines.extend(table.lines().map(|line| line.trim_end().to_owned()));
        }
        if placed < wanted && !nodes.is_empty() {
            lines.push(
                "for the rest, one of these would have to change, or another node come:".to_owned(),
            );
            lines.extend(nodes.iter().filter_map(ShownNode::remedies));
        }
        lines.join("\n")
    }
}

impl ShownNode {
    fn why(&self) -> String {
        match (self.placed, self.rank) {
            (true, _) => "may have it, and ranks high enough".to_owned(),
            (false, Some(1)) => "may have it, and 1 other ranks higher".to_owned(),
            (false, Some(rank)) => format!("may have it, and {rank} others rank higher"),
            (false, None) => {
                let texts = self.reasons.iter().map(|reason| reason.text.as_str());
                texts.collect::<Vec<_>>().join("; ")
            }
        }
    }

    fn remedies(&self) -> Option<String> {
        let remedies = self.reasons.iter().map(|reason| reason.remedy.as_str());
        let remedies = remedies.collect::<Vec<_>>().join("; and ");
        (!self.reasons.is_empty()).then(|| format!("  {}: {remedies}", self.node))
    }
}

impl ShownReason {
    fn new(refusal: &Refusal) -> Self {
        Self {
            // A node's label is its operator's own text.
            text: Printable(&refusal.to_string()).to_string(),
            remedy: Printable(&refusal.remedy()).to_string(),
            refusal: refusal.clone(),
        }
    }
}

/// What a rule asks for, in words.
pub fn asks(explained: &Explanation, rule: &PlacementRule) -> String {
    let mut asks = vec![match (rule.nodes.as_slice(), explained.wants_each_node) {
        ([], true) => "one on each node".to_owned(),
        ([], false) if explained.wanted == 1 => "one replica".to_owned(),
        ([], false) => format!("{} replicas", explained.wanted),
        (nodes, _) => {
            let nodes: Vec<_> = nodes.iter().map(NodeId::as_str).collect();
            format!("one on each of {}", nodes.join(", "))
        }
    }];
    asks.extend(
        rule.labels
            .iter()
            .map(|(key, value)| format!("label {key}={value}")),
    );
    asks.extend(rule.spread.iter().map(|key| format!("spread over {key}")));
    let app = &explained.actor.app;
    let apart = rule.apart_from.iter().map(|other| other.of_app(app));
    asks.extend(apart.map(|other| format!("apart from {other}")));
    if !rule.room.is_nothing() {
        asks.push(format!("room for {} each", rule.room));
    }
    Printable(&asks.join(", ")).to_string()
}

#[cfg(test)]
mod tests;
