//! A component or a provider.

use std::collections::BTreeMap;

use serde::Serialize;
use wrt_deployment::{
    Config, DesiredApp, DesiredComponent, DesiredProvider, LinkEnd, LinkTable, Reference, Verdict,
    explain,
};
use wrt_protocol::{ActorAddress, ActorKind, NodeId, heartbeat::ReplicaState};

use super::{Described, Scene, lines::Lines};
use crate::cli::{exit::Failure, explain::asks, ps::replica_state};

/// The form for programs.
#[derive(Serialize)]
struct Shown {
    kind: ActorKind,
    actor: String,
    revision: u64,
    /// Its code, where it is a component.
    digest: Option<String>,
    /// The variables that its guest sees.
    environment: Vec<String>,
    /// Its backend, where it is a provider.
    backend: Option<String>,
    /// Its settings: what is set in the manifest is named alone, what is found elsewhere with where.
    config: BTreeMap<String, String>,
    /// Components that it calls.
    calls: Vec<String>,
    links: Vec<ShownLink>,
    /// Who has a link to it, or calls it.
    linked_from: Vec<String>,
    limits: serde_json::Value,
    asks: String,
    wanted: usize,
    placed: usize,
    replicas: Vec<ShownReplica>,
    nodes: Vec<ShownNode>,
}

#[derive(Serialize)]
struct ShownLink {
    interface: String,
    name: String,
    to: String,
}

#[derive(Serialize)]
struct ShownReplica {
    node: NodeId,
    state: ReplicaState,
    running: u32,
    waiting: u32,
    concurrency_max: u32,
    handled: u64,
    refused: u64,
    listens_on: Option<String>,
    error: Option<String>,
}

#[derive(Serialize)]
struct ShownNode {
    node: NodeId,
    placed: bool,
    reasons: Vec<String>,
}

pub(super) fn describe(scene: &Scene, actor: &ActorAddress) -> Result<Described, Failure> {
    let shown = shown(scene, actor);
    let shown = shown.ok_or_else(|| scene.unknown(&actor.to_string()))?;
    Ok(Described {
        text: text(&shown),
        json: serde_json::to_value(&shown)?,
    })
}

fn shown(scene: &Scene, actor: &ActorAddress) -> Option<Shown> {
    let stored = scene.desired.apps.get(&actor.app)?;
    let apps = scene.apps();
    let explained = explain(apps.iter().copied(), &scene.members, actor)?;
    let (_, rule) = stored.app.actors().find(|(it, _)| it == actor)?;
    let replicas = scene.replicas(actor).map(|replica| ShownReplica {
        node: replica.node.clone(),
        state: replica.report.state,
        running: replica.report.running,
        waiting: replica.report.waiting,
        concurrency_max: replica.report.concurrency_max,
        handled: replica.report.handled,
        refused: replica.report.refused,
        listens_on: replica.listens_on.map(str::to_owned),
        error: replica.error.map(str::to_owned),
    });
    let nodes = explained.nodes.iter().map(|(node, verdict)| ShownNode {
        node: node.clone(),
        placed: matches!(verdict, Verdict::Placed { .. }),
        reasons: match verdict {
            Verdict::Refused(refusals) => refusals.iter().map(ToString::to_string).collect(),
            Verdict::Placed { .. } | Verdict::Spare { .. } => Vec::new(),
        },
    });
    let shown = Shown {
        kind: actor.kind,
        actor: actor.to_string(),
        revision: stored.revision.0,
        digest: None,
        environment: Vec::new(),
        backend: None,
        config: BTreeMap::new(),
        calls: Vec::new(),
        links: Vec::new(),
        linked_from: linked_from(&stored.app, actor),
        limits: serde_json::Value::Null,
        asks: asks(&explained, rule),
        wanted: explained.wanted,
        placed: explained.placed,
        replicas: replicas.collect(),
        nodes: nodes.collect(),
    };
    Some(match actor.kind {
        ActorKind::Component => {
            shown.of_component(&stored.app, stored.app.components.get(&actor.name)?)
        }
        ActorKind::Provider => shown.of_provider(stored.app.providers.get(&actor.name)?),
    })
}

impl Shown {
    fn of_component(self, app: &DesiredApp, component: &DesiredComponent) -> Self {
        Self {
            digest: Some(component.digest.to_string()),
            environment: component.environment.keys().cloned().collect(),
            links: links(app, &component.links),
            limits: serde_json::to_value(component.limits).unwrap_or_default(),
            ..self
        }
    }

    fn of_provider(self, provider: &DesiredProvider) -> Self {
        let calls = provider.calls.iter();
        Self {
            backend: Some(provider.backend.clone()),
            config: settings(&provider.config),
            calls: calls.map(|target| target.component.to_string()).collect(),
            limits: serde_json::to_value(provider.limits).unwrap_or_default(),
            ..self
        }
    }
}

fn settings(config: &Config) -> BTreeMap<String, String> {
    let references = config.references();
    let one = |field: &String| {
        let from = match references.get(field) {
            None => "set".to_owned(),
            Some(Reference::Variable(variable)) => format!("env {}", variable.env),
            Some(Reference::Secret(secret)) => secret.to_string(),
        };
        (field.clone(), from)
    };
    config.0.keys().map(one).collect()
}

fn links(app: &DesiredApp, table: &LinkTable) -> Vec<ShownLink> {
    let links = table.iter().flat_map(|(interface, ends)| {
        ends.iter().map(move |(name, end)| ShownLink {
            interface: interface.to_string(),
            name: name.to_string(),
            to: end.of_app(&app.app).to_string(),
        })
    });
    links.collect()
}

/// Who of the app reaches it.
fn linked_from(app: &DesiredApp, actor: &ActorAddress) -> Vec<String> {
    let leads_here = |end: &LinkEnd| end.of_app(&app.app) == *actor;
    let links_here = |component: &&DesiredComponent| {
        let mut ends = component.links.values().flat_map(BTreeMap::values);
        ends.any(leads_here)
    };
    let components = app.components.iter();
    let components = components
        .filter(|(_, component)| links_here(component))
        .map(|(name, _)| ActorAddress::component(app.app.clone(), name.clone()));
    let calls_here = |provider: &DesiredProvider| {
        let mut calls = provider.calls.iter();
        actor.kind == ActorKind::Component && calls.any(|it| it.component == actor.name)
    };
    let providers = app.providers.iter();
    let providers = providers
        .filter(|(_, provider)| calls_here(provider))
        .map(|(name, _)| ActorAddress::provider(app.app.clone(), name.clone()));
    components
        .chain(providers)
        .map(|it| it.to_string())
        .collect()
}

fn text(shown: &Shown) -> String {
    let mut lines = Lines::default();
    lines.add("actor", &shown.actor);
    lines.add("revision", shown.revision.to_string());
    if let Some(digest) = &shown.digest {
        lines.add("code", digest);
        lines.list("environment", shown.environment.iter().cloned());
    }
    if let Some(backend) = &shown.backend {
        lines.add("backend", backend);
        let settings = shown.config.iter();
        lines.list(
            "config",
            settings.map(|(field, from)| format!("{field}: {from}")),
        );
        lines.list("calls", shown.calls.iter().cloned());
    }
    lines.list(
        "links",
        shown
            .links
            .iter()
            .map(|link| format!("{} {} to {}", link.interface, link.name, link.to)),
    );
    lines.list("linked from", shown.linked_from.iter().cloned());
    let limits = shown.limits.as_object().into_iter().flatten();
    lines.list(
        "limits",
        limits.map(|(limit, value)| format!("{limit} = {value}")),
    );
    lines.add("asks for", &shown.asks);
    lines.add("places", format!("{} of {}", shown.placed, shown.wanted));
    lines.list(
        "replicas",
        shown.replicas.iter().map(|it| {
            let place = it.listens_on.as_ref().map(|at| format!(" at {at}"));
            format!(
                "{}{}: {}, {}/{} running, {} waiting, {} handled, {} refused",
                it.node,
                place.unwrap_or_default(),
                replica_state(it.state),
                it.running,
                it.concurrency_max,
                it.waiting,
                it.handled,
                it.refused
            )
        }),
    );
    let errors = shown.replicas.iter().filter_map(|it| {
        let error = it.error.as_ref()?;
        Some(format!("{}: {error}", it.node))
    });
    lines.list("troubles", errors);
    let refused = shown.nodes.iter().filter(|it| !it.reasons.is_empty());
    lines.list(
        "not on",
        refused.map(|it| format!("{}: it {}", it.node, it.reasons.join("; "))),
    );
    lines.text()
}
