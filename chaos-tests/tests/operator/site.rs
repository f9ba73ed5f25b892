//! Where these cases play: an app that serves, and somebody who operates its NATS.

use std::{ops::Deref, time::Duration};

use anyhow::Context as _;
use async_nats::jetstream::{self, kv};
use wrt_chaos_tests::{LatticeStatus, Manifest, Scene};
use wrt_test_servers::Deadline;

/// How long something may take to be seen or told: longer than the time between two looks of a node.
const LIMIT: Duration = Duration::from_secs(20);

/// How long a node may take to start and to serve: far less than the minute in which one is remembered
/// that is dead.
pub const STARTED: Duration = Duration::from_secs(25);

/// The probe on node `a`, HTTP in front of it on `edge`.
pub struct Site {
    scene: Scene,
}

impl Deref for Site {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Site {
    pub const NODES: [&'static str; 2] = ["edge", "a"];

    pub async fn start() -> anyhow::Result<Self> {
        let site = Self::bare().await?;
        site.deploy(Manifest::probe(&["a"])?).await?;
        site.serves().await?;
        Ok(site)
    }

    /// Without the app.
    pub async fn bare() -> anyhow::Result<Self> {
        let scene = Scene::without_load(&Self::NODES).await?;
        Ok(Self { scene })
    }

    /// The app answers, at once and not after another attempt.
    pub async fn serves(&self) -> anyhow::Result<()> {
        let outcome = self
            .client
            .send(http::Method::GET, &self.url("/hello"))
            .await;
        anyhow::ensure!(outcome.is_success(), "the app does not answer: {outcome:?}");
        Ok(())
    }

    /// The app answers, after at most so long.
    pub async fn serves_within(&self, limit: Duration) -> anyhow::Result<Duration> {
        Ok(self.succeeds(&self.url("/hello"), limit).await?)
    }

    pub fn wrt(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(tokio::task::block_in_place(|| self.cluster.wrt(arguments))?)
    }

    pub fn wrt_fails(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(tokio::task::block_in_place(|| {
            self.cluster.wrt_fails(arguments)
        })?)
    }

    /// Another app, which needs nothing but a node.
    pub fn deploys_another(&self) -> anyhow::Result<()> {
        let counter = Manifest::counter(&["a"])?.redis(&["a"], &self.redis_url());
        Ok(tokio::task::block_in_place(|| self.cluster.up(&counter))?)
    }

    pub fn restarts_node(&self, name: &str) -> anyhow::Result<()> {
        tokio::task::block_in_place(|| {
            self.cluster.kill_node(name)?;
            self.cluster.start_node(name)?;
            Ok(())
        })
    }

    /// NATS is stopped, set up otherwise, and started.
    pub fn reconfigures_nats(&self, config: &str) -> anyhow::Result<()> {
        let nats = self.cluster.nats();
        tokio::task::block_in_place(|| {
            nats.configure(config)?;
            nats.restart()?;
            Ok(())
        })
    }

    /// The log of a node says something.
    pub fn is_told(&self, node: &str, text: &str) -> anyhow::Result<()> {
        let found = tokio::task::block_in_place(|| {
            let look = || self.cluster.node_log(node).contains(text).then_some(());
            Deadline::after(LIMIT).poll(look)
        });
        let log = || self.cluster.node_log(node);
        found.with_context(|| format!("{node} did not tell {text:?}:\n{}", log()))
    }

    /// All that runs is ready, and `wrt ps` shows that `app` is held by all of `nodes`.
    pub async fn shows_held(&self, app: &str, nodes: &[&str]) -> anyhow::Result<LatticeStatus> {
        let is_so = |status: &LatticeStatus| {
            status.is_ready(nodes) && nodes.iter().all(|node| status.held(node, app).is_some())
        };
        Ok(self.shows(&format!("{app} is held"), is_so).await?)
    }

    /// All that runs is ready, and nothing is held or in trouble.
    pub async fn shows_no_trouble(&self) -> anyhow::Result<LatticeStatus> {
        let is_so = |status: &LatticeStatus| {
            let mut nodes = status.nodes.iter();
            status.is_ready(&Self::NODES)
                && nodes.all(|node| node.held.is_empty() && node.desired_trouble.is_none())
        };
        Ok(self.shows("nothing is in trouble", is_so).await?)
    }

    /// JetStream, as its operator sees it.
    pub async fn jetstream(&self) -> anyhow::Result<jetstream::Context> {
        let client = async_nats::connect(self.cluster.nats().url()).await?;
        Ok(jetstream::new(client))
    }

    /// The bucket of desired apps, as its operator sees it.
    pub async fn bucket(&self) -> anyhow::Result<kv::Store> {
        let jetstream = self.jetstream().await?;
        Ok(jetstream.get_key_value("wrt-default-desired").await?)
    }
}
