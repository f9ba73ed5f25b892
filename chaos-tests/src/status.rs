//! What `wrt ps` shows of a lattice.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The nodes of a lattice.
#[derive(Debug, Clone, Deserialize)]
pub struct LatticeStatus {
    /// Those that were heard.
    pub nodes: Vec<NodeStatus>,
}

/// One node.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Its incarnation: another one after a restart.
    pub epoch: u64,
    /// `serving`, `silent`, `draining`...
    pub state: String,
    /// What it runs.
    pub replicas: Vec<ReplicaStatus>,
    /// Apps that are as they were last known, and why.
    pub held: BTreeMap<String, String>,
    /// Why it cannot read the desired state.
    pub desired_trouble: Option<String>,
}

/// One replica.
#[derive(Debug, Clone, Deserialize)]
pub struct ReplicaStatus {
    /// Its address on the lattice.
    pub actor: String,
    /// `ready`, `starting`...
    pub state: String,
    /// Calls that run.
    pub running: u32,
    /// Calls that wait.
    pub waiting: u32,
    /// Calls since it was started.
    pub handled: u64,
    /// Where it listens, if it does.
    pub address: Option<String>,
    /// What is counted there beside calls.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

impl LatticeStatus {
    /// A node; `None` if it was not heard.
    pub fn node(&self, name: &str) -> Option<&NodeStatus> {
        self.nodes.iter().find(|node| node.node == name)
    }

    /// The replica on a node of the actor whose address ends with `name`.
    pub fn replica(&self, node: &str, name: &str) -> Option<&ReplicaStatus> {
        let mut replicas = self.node(node)?.replicas.iter();
        replicas.find(|replica| replica.actor.ends_with(name))
    }

    /// Calls of whoever had lost a lease, that were refused anywhere.
    pub fn fenced(&self) -> u64 {
        let replicas = self.nodes.iter().flat_map(|node| &node.replicas);
        let fenced = replicas.filter_map(|replica| replica.counters.get("fenced"));
        fenced.sum()
    }

    /// Why a node does not follow what the desired state says of an app, if it does not.
    pub fn held(&self, node: &str, app: &str) -> Option<&str> {
        self.node(node)?.held.get(app).map(String::as_str)
    }

    /// Whether each of `nodes` serves, and all that runs there is ready.
    pub fn is_ready(&self, nodes: &[&str]) -> bool {
        nodes.iter().all(|name| {
            self.node(name).is_some_and(|node| {
                let mut replicas = node.replicas.iter();
                node.state == "serving" && replicas.all(|replica| replica.state == "ready")
            })
        })
    }
}
