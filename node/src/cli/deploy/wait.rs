//! Waiting for an app to be up: until it is, until it cannot be, or until the time is over.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;
use wrt_deployment::{
    Cordons, DesiredApp, Revision, Store, StoreError, limits::STORE_REREAD_INTERVAL,
};
use wrt_protocol::NodeId;

use super::progress::{Hope, Progress};
use crate::{
    Observer,
    cli::{exit::Failure, output::Output, program},
    lattice::Lattice,
};

/// How often the nodes are asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long nodes that are not there are waited for, while none comes: who starts nodes and deploys to
/// them at once need not wait in between.
const NODES_AWAITED: Duration = Duration::from_secs(15);
/// How long the rest is waited for when something cannot come any more: so that what is wrong with it is
/// told as well.
const REST_AWAITED: Duration = Duration::from_secs(10);
/// How long the nodes may take to look at what was stored.
const TAKEN_UP_WITHIN: Duration = STORE_REREAD_INTERVAL.saturating_add(Duration::from_secs(2));
/// How often it is looked whether somebody else has deployed the app meanwhile.
const STORE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Who waits for an app that was deployed.
pub struct Waiting<'a> {
    pub lattice: &'a Lattice,
    pub store: &'a Store,
    pub app: &'a DesiredApp,
    /// What was there when it was deployed.
    pub others: &'a [&'a DesiredApp],
    pub cordons: &'a Cordons,
    pub revision: Revision,
    pub output: Output,
}

impl Waiting<'_> {
    /// Waits, and tells each reason as it comes. Answers the revision that the nodes run.
    pub async fn wait(mut self, patience: Duration) -> Result<Revision, Failure> {
        let begun = Instant::now();
        let observer = self.lattice.observe().await?;
        observer.settle(LOOK_INTERVAL * 3).await;
        let mut told = HashSet::new();
        let mut nodes = Awaited::new(begun);
        let (mut stored_at, mut looked_at, mut hoped_at) = (begun, begun, begun);
        loop {
            let progress = self.look(&observer).await;
            if progress.is_done() {
                return Ok(self.revision);
            }
            for reason in progress.reasons() {
                if told.insert(reason.to_owned()) {
                    self.output.progress(reason);
                }
            }
            let now = Instant::now();
            let hope = progress.hope(nodes.are_awaited(&progress.nodes, now));
            if hope == Hope::All {
                hoped_at = now;
            }
            if hope == Hope::None || now > hoped_at + REST_AWAITED {
                return Err(self.hopeless(&progress));
            }
            if progress.is_behind && now > looked_at + STORE_LOOK_INTERVAL {
                looked_at = now;
                self.is_still_stored().await?;
            }
            if progress.is_held && now > stored_at + TAKEN_UP_WITHIN {
                stored_at = now;
                self.revision = self.store.put(self.app, Some(self.revision)).await?;
            }
            if now + LOOK_INTERVAL > begun + patience {
                return Err(self.too_late(&progress, patience));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn look(&self, observer: &Observer) -> Progress {
        let there = (self.others, self.cordons);
        Progress::look(self.lattice, observer, self.app, there).await
    }

    /// Fails when another one was stored in its place.
    async fn is_still_stored(&self) -> Result<(), Failure> {
        let what = match self.store.app(&self.app.app).await {
            Ok(Some(stored)) if stored.app == *self.app => return Ok(()),
            Ok(Some(stored)) => format!(
                "has deployed another one, in revision {}",
                stored.revision.0
            ),
            Err(StoreError::Unreadable { revision, .. }) => {
                format!("has deployed another one, in revision {}", revision.0)
            }
            Ok(None) => "has removed it".to_owned(),
            // It says nothing; the next look may.
            Err(_) => return Ok(()),
        };
        Err(Failure::failed(anyhow::anyhow!(
            "{} was deployed in revision {}, and somebody else {what} meanwhile",
            self.app.app,
            self.revision.0
        )))
    }

    fn hopeless(&self, progress: &Progress) -> Failure {
        Failure::too_late(format!(
            "{} is deployed, and what it waits for does not come by itself:\n{progress}\nchange the \
             manifest, or what it names, and deploy again; `{} ps` shows how far the nodes are",
            self.app.app,
            program::name(),
        ))
    }

    fn too_late(&self, progress: &Progress, patience: Duration) -> Failure {
        Failure::too_late(format!(
            "{} is deployed, and not all of it was ready within {} s:\n{progress}\nthe nodes go on \
             trying; `{} ps` shows how far they are, and the nodes' logs why",
            self.app.app,
            patience.as_secs(),
            program::name(),
        ))
    }
}

/// The nodes that were there, since when.
struct Awaited {
    nodes: Vec<NodeId>,
    since: Instant,
}

impl Awaited {
    fn new(now: Instant) -> Self {
        Self {
            nodes: Vec::new(),
            since: now,
        }
    }

    fn are_awaited(&mut self, nodes: &[NodeId], now: Instant) -> bool {
        if self.nodes != nodes {
            self.nodes = nodes.to_vec();
            self.since = now;
        }
        now < self.since + NODES_AWAITED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_awaited_while_some_come() {
        let node = |name: &str| NodeId::new(name).expect("a legal name");
        let begun = Instant::now();
        let mut awaited = Awaited::new(begun);
        let one = NODES_AWAITED - Duration::from_secs(1);
        assert!(awaited.are_awaited(&[], begun + one));
        assert!(awaited.are_awaited(&[node("a")], begun + one));
        assert!(awaited.are_awaited(&[node("a")], begun + one * 2));
        assert!(!awaited.are_awaited(&[node("a")], begun + one + NODES_AWAITED));
    }
}
