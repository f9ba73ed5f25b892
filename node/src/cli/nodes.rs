//! `wrt node`: nodes that take nothing new, and nodes that are emptied.

mod drain;

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep};
use wrt_deployment::{Cordon, Cordons, DesiredApp, Store, StoreError, place};
use wrt_protocol::{
    ActorAddress, NodeId,
    limits::{HEARTBEAT_INTERVAL, MEMBERS_MAX},
    subject::Role,
};

use super::{
    args::{LatticeArgs, NodesCommand},
    exit::Failure,
    output::Output,
};
use crate::{
    Observer,
    lattice::{Lattice, LatticeError},
};

/// How often somebody else may get in between.
const ATTEMPTS_MAX: usize = 5;
/// How long the nodes may take to know of it.
const KNOWN_WITHIN: Duration = Duration::from_secs(7);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub async fn nodes(
    lattice: &LatticeArgs,
    command: NodesCommand,
    output: Output,
) -> Result<(), Failure> {
    let lattice = lattice.connect(Role::Operator).await?;
    let Some(store) = lattice.store().await? else {
        let lattice = lattice.name().clone();
        return Err(LatticeError::Store(StoreError::Absent { lattice }).into());
    };
    let observer = lattice.observe().await?;
    observer.settle(HEARTBEAT_INTERVAL * 3).await;
    let site = Site {
        lattice: &lattice,
        store,
        observer,
        output,
    };
    let done = match command {
        NodesCommand::Cordon(arguments) => site.cordon(&arguments.node).await,
        NodesCommand::Uncordon(arguments) => site.uncordon(&arguments.node).await,
        NodesCommand::Drain(arguments) => site.drain(arguments).await,
    };
    drop(site);
    lattice.close().await;
    done
}

/// A lattice whose nodes are spoken of.
struct Site<'a> {
    lattice: &'a Lattice,
    store: Store,
    observer: Observer,
    output: Output,
}

impl Site<'_> {
    async fn cordon(&self, node: &NodeId) -> Result<(), Failure> {
        let (cordon, changed) = self.cordoned(node).await?;
        let unaware = match changed {
            true => self.unaware(node, true).await,
            false => BTreeSet::new(),
        };
        let keeps: Vec<_> = cordon.keeps.iter().map(ToString::to_string).collect();
        let there = self.warn_if_away(node);
        let json = serde_json::json!({
            "node": node, "cordoned": true, "changed": changed, "there": there, "keeps": keeps,
            "unaware": unaware,
        });
        let text = match (changed, keeps.len()) {
            (false, _) => format!("{node} is cordoned already"),
            (true, 0) => format!("{node} is cordoned, and has nothing"),
            (true, 1) => format!("{node} is cordoned, and keeps 1 replica"),
            (true, keeps) => format!("{node} is cordoned, and keeps {keeps} replicas"),
        };
        self.output.result(&text, &json);
        Ok(())
    }

    /// Its cordon, and whether it is new: with all that it has.
    async fn cordoned(&self, node: &NodeId) -> Result<(Cordon, bool), Failure> {
        let mut attempt = 1;
        loop {
            if let Some(stored) = self.store.cordon(node).await? {
                let cordon = stored.cordon.map_err(|reason| unreadable(node, &reason))?;
                return Ok((cordon, false));
            }
            let desired = self.store.snapshot().await?;
            let apps = desired.apps.values().map(|stored| &stored.app);
            let members = self.observer.members(&desired.cordons);
            let keeps = place(apps, &members).share(node).cloned().collect();
            let cordon = Cordon { keeps };
            match self.store.put_cordon(node, &cordon, None).await {
                Err(StoreError::CordonConflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                put => return Ok(put.map(|_revision| (cordon, true))?),
            }
        }
    }

    async fn uncordon(&self, node: &NodeId) -> Result<(), Failure> {
        let changed = self.uncordoned(node).await?;
        let unaware = match changed {
            true => self.unaware(node, false).await,
            false => BTreeSet::new(),
        };
        let json = serde_json::json!({
            "node": node, "cordoned": false, "changed": changed, "there": self.is_there(node),
            "unaware": unaware,
        });
        let text = match changed {
            true => format!("{node} takes what ranks it high enough"),
            false => format!("{node} is not cordoned"),
        };
        self.output.result(&text, &json);
        Ok(())
    }

    /// Whether it was cordoned.
    async fn uncordoned(&self, node: &NodeId) -> Result<bool, Failure> {
        let mut attempt = 1;
        loop {
            let Some(stored) = self.store.cordon(node).await? else {
                return Ok(false);
            };
            match self.store.remove_cordon(node, stored.revision).await {
                Err(StoreError::CordonConflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                removed => return Ok(removed.map(|()| true)?),
            }
        }
    }

    /// Waits until every node knows whether this one is cordoned; answers those that do not say so in time. A
    /// build from before cordons never does.
    async fn unaware(&self, node: &NodeId, is_cordoned: bool) -> BTreeSet<NodeId> {
        let end = Instant::now() + KNOWN_WITHIN;
        loop {
            let alive = self.observer.nodes().into_values();
            let alive = alive.filter(crate::SeenNode::is_alive);
            let alive: Vec<_> = alive.map(|it| it.beat.node).take(MEMBERS_MAX).collect();
            let statuses = self.lattice.statuses(alive.iter()).await;
            let is_unaware = |(_, status): &(NodeId, Option<crate::NodeStatus>)| {
                let status = status.as_ref();
                status.is_none_or(|it| it.cordoned.contains(node) != is_cordoned)
            };
            let unaware = statuses.into_iter().filter(is_unaware);
            let unaware: BTreeSet<_> = unaware.map(|(node, _)| node).collect();
            if unaware.is_empty() || Instant::now() > end {
                for unaware in &unaware {
                    let text = format!(
                        "{unaware} does not know of it yet, or is of a build that never will"
                    );
                    self.output.progress(&text);
                }
                return unaware;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn is_there(&self, node: &NodeId) -> bool {
        let nodes = self.observer.nodes();
        nodes.get(node).is_some_and(crate::SeenNode::is_alive)
    }

    fn warn_if_away(&self, node: &NodeId) -> bool {
        let there = self.is_there(node);
        if !there {
            let name = self.lattice.name();
            self.output.progress(&format!(
                "no node {node} is on lattice {name}: one that comes under that name takes nothing"
            ));
        }
        there
    }
}

/// Of a cordon that another build has stored.
fn unreadable(node: &NodeId, reason: &str) -> Failure {
    Failure::failed(anyhow::anyhow!(
        "node {node} is cordoned, and this build cannot read how: {reason}; uncordon it first"
    ))
}

/// What is deployed, and who is cordoned.
struct Desired {
    apps: Vec<DesiredApp>,
    cordons: Cordons,
}

impl Desired {
    fn apps(&self) -> Vec<&DesiredApp> {
        self.apps.iter().collect()
    }
}

impl Site<'_> {
    async fn desired(&self) -> Result<Desired, Failure> {
        let snapshot = self.store.snapshot().await?;
        let apps = snapshot.apps.into_values();
        Ok(Desired {
            apps: apps.map(|stored| stored.app).collect(),
            cordons: snapshot.cordons,
        })
    }

    /// What a node says that it has; nothing where it is not there.
    fn runs(&self, node: &NodeId) -> BTreeSet<ActorAddress> {
        let nodes = self.observer.nodes();
        let seen = nodes.get(node).filter(|seen| seen.is_alive());
        let replicas = seen.into_iter().flat_map(|seen| &seen.beat.replicas);
        replicas.map(|replica| replica.actor.clone()).collect()
    }
}
