//! The lattice that the demo shows.

use std::time::{Duration, Instant};

use anyhow::Context;
use wrt_chaos_tests::{Cluster, Manifest, Profile};

const NODES: [&str; 3] = ["a", "b", "c"];

/// Three nodes and the servers behind them.
pub struct Lattice {
    cluster: Cluster,
    addresses: [String; 2],
}

impl Lattice {
    /// Starts everything; deploys nothing.
    pub fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::start(Profile::Dev)?;
        for node in NODES {
            cluster.start_node(node)?;
        }
        let addresses = [cluster.free_address()?, cluster.free_address()?];
        Ok(Self { cluster, addresses })
    }

    /// Where everything listens.
    pub fn describe(&self) -> String {
        let (nats, redis) = (self.cluster.nats().url(), self.cluster.redis().url());
        let logs = self.cluster.folder().display();
        format!("bus {nats}\nstore {redis}\nlogs {logs}/<node>.log")
    }

    /// Deploys the counter; answers how long it took until every replica was ready.
    pub fn deploy(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.cluster.up(&self.manifest()?)?;
        Ok(started.elapsed())
    }

    /// `http://` addresses of nodes a and b.
    pub fn addresses(&self) -> [String; 2] {
        self.addresses
            .each_ref()
            .map(|address| format!("http://{address}"))
    }

    /// What `wrt ps` prints.
    pub fn ps(&self) -> anyhow::Result<String> {
        Ok(self.cluster.wrt(&["ps"])?)
    }

    /// Kills node b as a crash would.
    pub fn kill_b(&self) -> anyhow::Result<()> {
        self.cluster
            .kill_node("b")
            .context("node b cannot be killed")
    }

    /// What a reader may try while it stays up.
    pub fn next_commands(&self) -> String {
        let Self {
            addresses: [a, _],
            cluster,
        } = self;
        let wrt = cluster.programs().wrt.display();
        let node = cluster.programs().node.display();
        let nats = cluster.nats().url();
        format!(
            "  curl -X POST http://{a}/visits\n  \
             {wrt} ps --lattice {nats}\n  \
             {node} join --lattice {nats} --name b    # the node that was killed comes back\n  \
             {wrt} down counter --lattice {nats}"
        )
    }

    fn manifest(&self) -> anyhow::Result<Manifest> {
        let [a, b] = &self.addresses;
        let counter = Manifest::counter(&["a", "b"])?.redis(&["c"], &self.cluster.redis().url());
        Ok(counter.http("a", a).http("b", b))
    }
}
