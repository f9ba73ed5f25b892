//! A node that has messages in hand is lost.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use http::Method;
use wrt_chaos_tests::{Sample, Scene, guest, invariants, load::Load};

use super::brokers::Broker;

const BUDGET: Duration = Duration::from_secs(5);
const PER_SECOND: u32 = 40;
/// What a handler takes: so there are some twenty messages in hand at any time, a third of them on each
/// node.
const TAKES_MS: u64 = 500;
const FAULT_AFTER: Duration = Duration::from_millis(1500);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// What was in hand is in hand elsewhere within 5 s; the rest is what handlers take, and for a busy machine.
const TAKEN_OVER_WITHIN: Duration = Duration::from_millis(5000 + TAKES_MS + 1500);
const HANDLED_WITHIN: Duration = Duration::from_secs(15);

/// Each message that was acknowledged to its sender is handled, although the node that had some of them in
/// hand was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    killed_with(Broker::Nats).await
}

/// The same where a group shares partitions out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_with_kafka() -> anyhow::Result<()> {
    killed_with(Broker::kafka()?).await
}

/// The same when it stands still, and keeps its connections. What it does with its messages when it goes
/// on does no harm: it is as if they had come twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    stopped_with(Broker::Nats).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_with_kafka() -> anyhow::Result<()> {
    stopped_with(Broker::kafka()?).await
}

async fn killed_with(broker: Broker) -> anyhow::Result<()> {
    let killed = under_load("killed", &broker, |scene| {
        Ok(scene.cluster.kill_node("b")?)
    });
    let lost = killed.await?;
    lost.taken_over("killed").await?;
    lost.all_are_handled().await?;
    no_dead_letters(&lost.scene, &broker).await
}

async fn stopped_with(broker: Broker) -> anyhow::Result<()> {
    let stopped = under_load("stopped", &broker, |scene| {
        Ok(scene.cluster.pause_node("b")?)
    });
    let lost = stopped.await?;
    lost.taken_over("SIGSTOP").await?;
    lost.all_are_handled().await?;
    lost.scene.cluster.resume_node("b")?;
    lost.scene.is_ready(&["edge", "a", "b", "c"]).await?;
    lost.all_are_handled().await?;
    no_dead_letters(&lost.scene, &broker).await
}

/// What was sent, and when a node was lost.
struct Lost {
    scene: Scene,
    samples: Vec<Sample>,
    at: Instant,
    /// The same, since the load began.
    due: Duration,
}

/// Orders are placed on `edge` and handled on `a` and `b`. The provider that subscribes runs on all three:
/// so messages are handled by a component beside it, and across nodes.
async fn under_load(
    how: &str,
    broker: &Broker,
    harm: impl Fn(&Scene) -> anyhow::Result<()>,
) -> anyhow::Result<Lost> {
    let scene = Scene::start(&["edge", "a", "b", "c"]).await?;
    let bus = broker.keeping(&scene, &["orders.placed"]).await?;
    let address = scene.cluster.free_address()?;
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("orders.toml");
    std::fs::write(&manifest, orders(&scene, &bus, &address)?)?;
    let manifest = manifest.display().to_string();
    tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &manifest]))?;

    let url = format!("http://{address}/orders");
    let load = Load::start(&scene.client, PER_SECOND, move |n| {
        (Method::POST, format!("{url}/{n}"))
    });
    load.until(FAULT_AFTER).await;
    let (at, fault) = (Instant::now(), load.now());
    harm(&scene)?;
    load.until(fault + AFTERWARDS).await;
    let samples = load.stop().await;
    invariants::all_end_within(&samples, BUDGET)?;
    let acknowledged = acknowledged(&samples).len();
    println!(
        "{how}: {acknowledged} of {} are acknowledged",
        samples.len()
    );
    anyhow::ensure!(acknowledged > 0, "nothing was sent: {samples:?}");
    Ok(Lost {
        scene,
        samples,
        at,
        due: fault,
    })
}

fn orders(scene: &Scene, bus: &str, address: &str) -> anyhow::Result<String> {
    let source = guest("messaging")?;
    let links = "links = { \"wasi:messaging\" = \"bus\", \"wasi:keyvalue\" = \"store\" }";
    Ok(format!(
        "[app]\nname = \"orders\"\n\n\
         [component.shop]\nsource = {source:?}\nnodes = [\"edge\"]\n{links}\n\n\
         [component.mail]\nsource = {source:?}\nnodes = [\"a\", \"b\"]\n\
         environment = {{ NAME = \"mail\", TAKES_MS = \"{TAKES_MS}\" }}\n{links}\n\n\
         [provider.bus]\n{bus}\nnodes = [\"edge\", \"a\", \"b\"]\n\
         calls = [{{ component = \"mail\", topics = [\"orders.placed\"], pause_ms_min = 200 }}]\n\n\
         [provider.store]\nbackend = \"redis\"\nnodes = [\"c\"]\nconfig = {{ url = {redis:?} }}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
         config = {{ address = {address:?}, request_timeout_ms = {budget} }}\n\
         calls = [{{ component = \"shop\" }}]\n",
        redis = scene.redis_url(),
        budget = BUDGET.as_millis(),
    ))
}

/// The orders that the broker has, as their senders were told.
fn acknowledged<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> BTreeSet<String> {
    let placed = samples.into_iter().filter(|sample| sample.is_success());
    placed
        .filter_map(|sample| Some(sample.url.rsplit_once('/')?.1.to_owned()))
        .collect()
}

impl Lost {
    /// What the node had in hand was so elsewhere soon enough.
    async fn taken_over(&self, how: &str) -> anyhow::Result<()> {
        let before = self.samples.iter().filter(|it| it.due < self.due);
        self.are_handled(&acknowledged(before)).await?;
        let took = self.at.elapsed();
        println!("{how}: what was sent before is handled {took:?} after it");
        anyhow::ensure!(took < TAKEN_OVER_WITHIN, "{took:?}");
        Ok(())
    }

    async fn all_are_handled(&self) -> anyhow::Result<()> {
        self.are_handled(&acknowledged(&self.samples)).await
    }

    async fn are_handled(&self, orders: &BTreeSet<String>) -> anyhow::Result<()> {
        let (began, url) = (Instant::now(), self.samples.first().context("no sample")?);
        let (host, _) = url.url.split_once("/orders/").context("an order's URL")?;
        let url = format!("{host}/handled/mail");
        loop {
            let answer = self.scene.client.send(Method::GET, &url).await;
            let handled: BTreeSet<String> = answer.text().lines().map(str::to_owned).collect();
            let missing: Vec<_> = orders.difference(&handled).collect();
            if answer.is_success() && missing.is_empty() {
                return Ok(());
            }
            anyhow::ensure!(
                began.elapsed() < HANDLED_WITHIN,
                "acknowledged, and not handled: {missing:?}; the last answer: {:?}",
                answer.status()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Nothing was wrong with the messages.
async fn no_dead_letters(scene: &Scene, broker: &Broker) -> anyhow::Result<()> {
    let letters = broker.dead_letters(scene, "orders", "mail").await?;
    anyhow::ensure!(letters.is_empty(), "dead letters: {letters:?}");
    Ok(())
}
