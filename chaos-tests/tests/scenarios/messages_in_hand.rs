//! A node that has messages in hand is lost.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream::{self, stream::Config};
use http::Method;
use wrt_chaos_tests::{Sample, Scene, guest, invariants, load::Load};
use wrt_test_servers::KafkaServer;

const BUDGET: Duration = Duration::from_secs(5);
const PER_SECOND: u32 = 40;
/// What a handler takes: so there are some twenty messages in hand at any time, a third of them on each
/// node.
const TAKES_MS: u64 = 500;
const FAULT_AFTER: Duration = Duration::from_millis(1500);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// What was in hand is in hand elsewhere within 5 s; the rest is for a busy machine.
const HANDLED_WITHIN: Duration = Duration::from_secs(15);

/// What the messages go by.
enum Broker {
    /// The cluster's own server.
    Nats,
    Kafka(KafkaServer),
}

impl Broker {
    /// The backend, and its settings.
    fn settings(&self, scene: &Scene) -> String {
        match self {
            Self::Nats => {
                let url = scene.cluster.nats().url();
                format!("backend = \"nats\"\nconfig = {{ url = {url:?} }}")
            }
            Self::Kafka(kafka) => {
                let brokers = kafka.url();
                format!(
                    "backend = \"kafka\"\n\
                     config = {{ brokers = {brokers:?}, create_topics = [\"orders.placed\"] }}"
                )
            }
        }
    }
}

/// Each message that was acknowledged to its sender is handled, although the node that had some of them in
/// hand was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    let killed = under_load("killed", &Broker::Nats, |scene| {
        Ok(scene.cluster.kill_node("b")?)
    });
    let (scene, samples) = killed.await?;
    let took = all_are_handled(&scene, &samples).await?;
    println!("killed: all are handled {took:?} after the load's end");
    no_dead_letters(&scene).await
}

/// The same when it stands still, and keeps its connections. What it does with its messages when it goes
/// on does no harm: it is as if they had come twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    let scene = stopped_and_resumed(Broker::Nats).await?;
    no_dead_letters(&scene).await
}

/// The same where a group shares partitions out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_with_kafka() -> anyhow::Result<()> {
    let kafka = tokio::task::block_in_place(KafkaServer::start)?;
    stopped_and_resumed(Broker::Kafka(kafka)).await?;
    Ok(())
}

async fn stopped_and_resumed(broker: Broker) -> anyhow::Result<Scene> {
    let stopped = under_load("stopped", &broker, |scene| {
        Ok(scene.cluster.pause_node("b")?)
    });
    let (scene, samples) = stopped.await?;
    let took = all_are_handled(&scene, &samples).await?;
    println!("SIGSTOP: all are handled {took:?} after the load's end");
    scene.cluster.resume_node("b")?;
    scene.is_ready(&["edge", "a", "b", "c"]).await?;
    all_are_handled(&scene, &samples).await?;
    Ok(scene)
}

/// Orders are placed on `edge` and handled on `a` and `b`. The provider that subscribes runs on all three:
/// so messages are handled by a component beside it, and across nodes.
async fn under_load(
    how: &str,
    broker: &Broker,
    harm: impl Fn(&Scene) -> anyhow::Result<()>,
) -> anyhow::Result<(Scene, Vec<Sample>)> {
    let scene = Scene::start(&["edge", "a", "b", "c"]).await?;
    if let Broker::Nats = broker {
        let client = async_nats::connect(scene.cluster.nats().url()).await?;
        let stream = Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            ..Config::default()
        };
        jetstream::new(client).create_stream(stream).await?;
    }
    let address = scene.cluster.free_address()?;
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("orders.toml");
    std::fs::write(&manifest, orders(&scene, broker, &address)?)?;
    let manifest = manifest.display().to_string();
    tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &manifest]))?;

    let url = format!("http://{address}/orders");
    let load = Load::start(&scene.client, PER_SECOND, move |n| {
        (Method::POST, format!("{url}/{n}"))
    });
    load.until(FAULT_AFTER).await;
    let fault = load.now();
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
    Ok((scene, samples))
}

fn orders(scene: &Scene, broker: &Broker, address: &str) -> anyhow::Result<String> {
    let (source, broker) = (guest("messaging")?, broker.settings(scene));
    let links = "links = { \"wasi:messaging\" = \"bus\", \"wasi:keyvalue\" = \"store\" }";
    Ok(format!(
        "[app]\nname = \"orders\"\n\n\
         [component.shop]\nsource = {source:?}\nnodes = [\"edge\"]\n{links}\n\n\
         [component.mail]\nsource = {source:?}\nnodes = [\"a\", \"b\"]\n\
         environment = {{ NAME = \"mail\", TAKES_MS = \"{TAKES_MS}\" }}\n{links}\n\n\
         [provider.bus]\n{broker}\nnodes = [\"edge\", \"a\", \"b\"]\n\
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
fn acknowledged(samples: &[Sample]) -> BTreeSet<String> {
    let placed = samples.iter().filter(|sample| sample.is_success());
    placed
        .filter_map(|sample| Some(sample.url.rsplit_once('/')?.1.to_owned()))
        .collect()
}

/// Waits until each acknowledged order is handled; how long that took.
async fn all_are_handled(scene: &Scene, samples: &[Sample]) -> anyhow::Result<Duration> {
    let (began, acknowledged) = (Instant::now(), acknowledged(samples));
    let url = samples.first().context("no sample")?;
    let (host, _) = url.url.split_once("/orders/").context("an order's URL")?;
    let url = format!("{host}/handled/mail");
    loop {
        let answer = scene.client.send(Method::GET, &url).await;
        let handled: BTreeSet<String> = answer.text().lines().map(str::to_owned).collect();
        let missing: Vec<_> = acknowledged.difference(&handled).collect();
        if answer.is_success() && missing.is_empty() {
            return Ok(began.elapsed());
        }
        anyhow::ensure!(
            began.elapsed() < HANDLED_WITHIN,
            "acknowledged, and not handled: {missing:?}; the last answer: {:?}",
            answer.status()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Nothing was wrong with the messages.
async fn no_dead_letters(scene: &Scene) -> anyhow::Result<()> {
    let client = async_nats::connect(scene.cluster.nats().url()).await?;
    let letters = jetstream::new(client)
        .get_stream("dead-letters-orders")
        .await?;
    let count = letters.cached_info().state.messages;
    anyhow::ensure!(count == 0, "{count} dead letters");
    Ok(())
}
