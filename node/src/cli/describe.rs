//! `wrt describe`: all that is known of an app, of one of its actors, or of a node.
//!
//! Settings and variables are named, and never what they are set to: any of them may be a secret.

mod actor;
mod app;
mod lines;
mod node;

use std::collections::BTreeMap;

use wrt_deployment::{DesiredApp, PlacedMember, Snapshot};
use wrt_host::Printable;
use wrt_protocol::{
    ActorAddress, Name, NodeId,
    heartbeat::{ReplicaReport, ReplicaState},
    limits::HEARTBEAT_INTERVAL,
    subject::Role,
};

use super::{
    args::{DescribeArgs, LatticeArgs},
    exit::Failure,
    explain,
    output::Output,
    program,
};
use crate::{
    NodeStatus,
    lattice::{Lattice, SeenNode},
};

pub async fn describe(
    lattice: &LatticeArgs,
    arguments: &DescribeArgs,
    output: Output,
) -> Result<(), Failure> {
    let lattice = lattice.connect(Role::Observer).await?;
    let scene = Scene::of(&lattice).await?;
    let described = match scene.meant(&arguments.what)? {
        Meant::App(name) => app::describe(&scene, &lattice, &name).await?,
        Meant::Actor(actor) => actor::describe(&scene, &actor)?,
        Meant::Node(node) => node::describe(&scene, &node),
    };
    lattice.close().await;
    output.result(&described.text, &described.json);
    Ok(())
}

/// A thing in words, and in the form for programs, which is stable.
struct Described {
    text: String,
    json: serde_json::Value,
}

/// What is meant by what was written.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    App(Name),
    Actor(ActorAddress),
    Node(NodeId),
}

/// What is deployed, and what the nodes say.
struct Scene {
    desired: Snapshot,
    members: Vec<PlacedMember>,
    nodes: BTreeMap<NodeId, SeenNode>,
    statuses: BTreeMap<NodeId, Option<NodeStatus>>,
}

/// A replica, as its node tells of it.
struct SeenReplica<'a> {
    node: &'a NodeId,
    report: &'a ReplicaReport,
    error: Option<&'a str>,
    listens_on: Option<&'a str>,
}

impl Scene {
    async fn of(lattice: &Lattice) -> Result<Self, Failure> {
        let desired = match lattice.store().await? {
            Some(store) => store.snapshot().await?,
            None => Snapshot::default(),
        };
        let observer = lattice.observe().await?;
        observer.settle(HEARTBEAT_INTERVAL * 3).await;
        let nodes = observer.nodes();
        let statuses = lattice.statuses(nodes.keys()).await;
        Ok(Self {
            members: observer.members(&desired.cordons),
            desired,
            nodes,
            statuses,
        })
    }

    fn apps(&self) -> Vec<&DesiredApp> {
        let stored = self.desired.apps.values();
        stored.map(|stored| &stored.app).collect()
    }

    fn meant(&self, text: &str) -> Result<Meant, Failure> {
        if let Some(node) = text
            .strip_prefix("node/")
            .and_then(|it| NodeId::new(it).ok())
            && self.knows_node(&node)
        {
            return Ok(Meant::Node(node));
        }
        if let Some(app) = text.strip_prefix("app/").and_then(|it| Name::new(it).ok())
            && self.knows_app(&app)
        {
            return Ok(Meant::App(app));
        }
        if text.contains('/') {
            return explain::named(text, &self.apps()).map(Meant::Actor);
        }
        let app = Name::new(text).ok().filter(|app| self.knows_app(app));
        let node = NodeId::new(text).ok().filter(|node| self.knows_node(node));
        match (app, node) {
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "{text} is an app and a node: say app/{text} or node/{text}"
            ))),
            (Some(app), None) => Ok(Meant::App(app)),
            (None, Some(node)) => Ok(Meant::Node(node)),
            (None, None) => Err(self.unknown(text)),
        }
    }

    fn knows_app(&self, app: &Name) -> bool {
        self.desired.apps.contains_key(app) || self.desired.held.contains_key(app.as_str())
    }

    fn knows_node(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node) || self.desired.cordons.of(node).is_some()
    }

    fn unknown(&self, text: &str) -> Failure {
        let apps = self.desired.apps.keys().map(Name::as_str);
        let nodes = self.nodes.keys().map(NodeId::as_str);
        let help = match wrt_deployment::nearest(text, apps.chain(nodes)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("`{} ps` shows what there is", program::name()),
        };
        Failure::failed(anyhow::anyhow!(
            "no app and no node is called {}: {help}",
            Printable(text)
        ))
    }

    fn status(&self, node: &NodeId) -> Option<&NodeStatus> {
        self.statuses.get(node).and_then(Option::as_ref)
    }

    /// The replicas that nodes which are there say they have.
    fn replicas<'a>(&'a self, actor: &'a ActorAddress) -> impl Iterator<Item = SeenReplica<'a>> {
        let alive = self.nodes.iter().filter(|(_, seen)| seen.is_alive());
        alive.flat_map(move |(node, seen)| {
            let reports = seen.beat.replicas.iter();
            let reports = reports.filter(move |report| report.actor == *actor);
            reports.map(move |report| self.replica(node, report))
        })
    }

    fn replica<'a>(&'a self, node: &'a NodeId, report: &'a ReplicaReport) -> SeenReplica<'a> {
        let status = self.status(node).into_iter();
        let mut details = status.flat_map(|status| &status.replicas);
        let detail = details.find(|detail| detail.actor == report.actor);
        SeenReplica {
            node,
            report,
            error: detail.and_then(|detail| detail.error.as_deref()),
            listens_on: detail.and_then(|detail| detail.listens_on()),
        }
    }

    fn ready(&self, actor: &ActorAddress) -> usize {
        let replicas = self.replicas(actor);
        let ready = replicas.filter(|it| it.report.state == ReplicaState::Ready);
        ready.count()
    }
}

#[cfg(test)]
mod tests;
