//! How far the lattice is with an app.

use std::{collections::BTreeMap, fmt};

use wrt_deployment::{DesiredApp, Placement, Revision, place};
use wrt_protocol::{ActorAddress, NodeId, heartbeat::ReplicaState};

use crate::{
    NodeStatus, Observer,
    cli::{program, ps::replica_state},
    lattice::Lattice,
};

/// What is still to do, in words: empty when nothing is.
pub struct Progress(Vec<String>);

impl Progress {
    /// Asks every node that has a share of the app.
    pub async fn look(
        lattice: &Lattice,
        observer: &Observer,
        app: &DesiredApp,
        revision: Revision,
    ) -> Self {
        let members = observer.members();
        let placement = place([app], &members);
        let asked = placement
            .shares
            .keys()
            .map(|node| async { (node.clone(), lattice.status(node).await) });
        let statuses: BTreeMap<NodeId, Option<NodeStatus>> =
            futures::future::join_all(asked).await.into_iter().collect();
        let mut to_do = Vec::new();
        if members.is_empty() {
            to_do.push(format!(
                "no node is on lattice {}: start one with {}",
                lattice.name(),
                program::join()
            ));
        } else {
            to_do.extend(shortages(&placement));
        }
        for (node, share) in &placement.shares {
            match statuses.get(node).and_then(Option::as_ref) {
                None => to_do.push(format!("node {node} does not answer")),
                Some(status) if is_behind(status, app, revision) => {
                    let why = if status.is_isolated {
                        ": it hears too few others"
                    } else {
                        ""
                    };
                    to_do.push(format!("node {node} has not taken it up yet{why}"));
                }
                Some(status) => {
                    to_do.extend(
                        share
                            .iter()
                            .filter_map(|actor| missing(status, node, actor)),
                    );
                }
            }
        }
        Self(to_do)
    }

    /// Whether nothing is to do.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|line| format!("  {line}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

fn is_behind(status: &NodeStatus, app: &DesiredApp, revision: Revision) -> bool {
    status
        .apps
        .get(&app.app)
        .is_none_or(|applied| *applied < revision.0)
}

fn shortages(placement: &Placement) -> impl Iterator<Item = String> {
    placement.shortages.iter().map(|shortage| {
        let (actor, placed, wanted) = (&shortage.actor, shortage.placed, shortage.wanted);
        let absent: Vec<String> = shortage.absent.iter().map(ToString::to_string).collect();
        match absent.as_slice() {
            [] => format!("{actor} has {placed} of {wanted} replicas: no other node matches"),
            absent => {
                let nodes = absent.join(", ");
                format!("{actor} has {placed} of {wanted} replicas: not on the lattice: {nodes}")
            }
        }
    })
}

fn missing(status: &NodeStatus, node: &NodeId, actor: &ActorAddress) -> Option<String> {
    let Some(replica) = status
        .replicas
        .iter()
        .find(|replica| replica.actor == *actor)
    else {
        return Some(format!("{actor} does not run on {node} yet"));
    };
    if replica.state == ReplicaState::Ready && replica.is_current {
        return None;
    }
    let state = replica_state(replica.state);
    Some(match &replica.error {
        Some(error) => format!("{actor} on {node} is {state}: {error}"),
        None => format!("{actor} on {node} is {state}"),
    })
}
