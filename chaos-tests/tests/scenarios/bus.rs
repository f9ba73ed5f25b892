//! The bus itself fails.

use std::time::{Duration, Instant};

use wrt_chaos_tests::{Manifest, NodeStatus, Scene, invariants, invariants::Ledger};

use super::away::{BUDGET, Recovery, while_away};

const NODES: [&str; 5] = ["edge", "a", "b", "c", "d"];

const RECOVERY: Recovery = Recovery {
    limit: Duration::from_secs(4),
    watched: Duration::from_secs(5),
};

/// The counter, with its component on two of the nodes: which, and whether to change that, is theirs to
/// say, so that a wrong guess about who is dead would show.
async fn scene() -> anyhow::Result<Scene> {
    let scene = Scene::start(&NODES).await?;
    let manifest = Manifest::counter(&[])?.anywhere(2, None);
    let manifest = manifest.redis(&["c", "d"], &scene.redis_url());
    scene.deploy(manifest.budget(BUDGET)).await?;
    Ok(scene)
}

/// Who is there, what runs where, and how often somebody has taken up a share.
#[derive(Debug, PartialEq)]
struct Standing {
    incarnations: Vec<Option<u64>>,
    actors: Vec<Vec<String>>,
    taken_up: usize,
}

impl Standing {
    /// What the nodes say when all is ready.
    async fn of(scene: &Scene) -> anyhow::Result<Self> {
        let status = scene.is_ready(&NODES).await?;
        let nodes = NODES.map(|node| status.node(node));
        let logs = NODES.map(|node| scene.cluster.node_log(node));
        let actors = |node: &NodeStatus| node.replicas.iter().map(|r| r.actor.clone()).collect();
        Ok(Self {
            incarnations: nodes.iter().map(|node| node.map(|n| n.epoch)).collect(),
            actors: nodes
                .iter()
                .map(|node| node.map(actors).unwrap_or_default())
                .collect(),
            taken_up: logs
                .iter()
                .map(|log| log.matches("runs here").count())
                .sum(),
        })
    }
}

/// While nats-server is gone, every request is answered in time, with 503 or 504. It comes back on the
/// same port, and within seconds all succeed again: nobody is evicted, no node is started again, and
/// the app runs where it ran.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_and_restarted() -> anyhow::Result<()> {
    let scene = scene().await?;
    let nats = scene.cluster.nats();
    lost(
        "killed",
        &scene,
        || Ok(nats.kill()?),
        || Ok(nats.restart()?),
    )
    .await
}

/// The same when it is stopped in its tracks, so that its connections stay open.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn paused() -> anyhow::Result<()> {
    let scene = scene().await?;
    let nats = scene.cluster.nats();
    lost(
        "paused",
        &scene,
        || Ok(nats.pause()?),
        || Ok(nats.resume()?),
    )
    .await
}

async fn lost(
    how: &str,
    scene: &Scene,
    harm: impl Fn() -> anyhow::Result<()>,
    heal: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let before = Standing::of(scene).await?;
    let count_before = scene.count("/visits").await?;
    let what = format!("nats-server {how}");
    let samples = while_away(&what, scene, RECOVERY, harm, heal).await?;
    let ledger = Ledger::of(&samples);
    println!("{what}: {ledger}");
    invariants::all_answer(&samples, &[200, 503, 504])?;
    ledger.check(count_before, scene.count("/visits").await?)?;

    let began = Instant::now();
    let after = Standing::of(scene).await?;
    println!(
        "nats-server {how}: `wrt ps` shows all ready after another {:?}",
        began.elapsed()
    );
    anyhow::ensure!(before.taken_up > 0, "the logs do not say who takes up what");
    anyhow::ensure!(
        before == after,
        "something moved: from {before:?} to {after:?}"
    );
    Ok(())
}
