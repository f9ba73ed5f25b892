//! A node is asked to stop under steady load.

use std::time::Duration;

use http::Method;
use wrt_chaos_tests::{
    Manifest, Scene, invariants, invariants::Ledger, load::Load, outage::Outage,
};

const BUDGET: Duration = Duration::from_secs(5);

/// Sixty requests a second, in bursts; the node is asked while one is in flight.
const BURST: u32 = 12;
const BURST_GAP: Duration = Duration::from_millis(200);
const ASKED_AFTER: Duration = Duration::from_millis(1006);
const AFTERWARDS: Duration = Duration::from_secs(2);

/// A node's patience by default, and some time to end the process.
const END_LIMIT: Duration = Duration::from_secs(11);

/// SIGTERM loses no request, neither those in flight nor later ones; the node ends with 0 within its
/// patience.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_component() -> anyhow::Result<()> {
    drain("b").await
}

/// The same for the node of the provider behind the component.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_provider() -> anyhow::Result<()> {
    drain("d").await
}

/// Requests that take a second are in hand when the node is asked: it waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_long_requests_in_hand() -> anyhow::Result<()> {
    const LONG_MS: u64 = 1000;
    let scene = Scene::start(&["edge", "a", "b"]).await?;
    scene
        .deploy(Manifest::probe(&["a", "b"])?.budget(BUDGET))
        .await?;
    let url = scene.url(&format!("/sleep/{LONG_MS}"));
    let load = Load::start(&scene.client, 20, move |_| (Method::POST, url.clone()));
    load.until(2 * ASKED_AFTER).await;
    let asked = load.now();
    let status = scene.cluster.terminate_node("b", END_LIMIT).await?;
    let ended = load.now() - asked;
    let samples = load.stop().await;
    println!("SIGTERM of b with requests of {LONG_MS} ms in hand: it ended after {ended:?}");
    invariants::all_succeed(&samples)?;
    anyhow::ensure!(status.code() == Some(0), "it ended with {status}");
    anyhow::ensure!(
        ended.as_millis() > u128::from(LONG_MS / 2),
        "nothing was in hand: {ended:?}"
    );
    Ok(())
}

async fn drain(node: &str) -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let before = scene.count("/visits").await?;
    let requests = scene.reads_and_increments("/visits");
    let load = Load::in_bursts(&scene.client, BURST, BURST_GAP, requests);
    load.until(ASKED_AFTER).await;
    let asked = load.now();
    let status = scene.cluster.terminate_node(node, END_LIMIT).await?;
    let ended = load.now();
    load.until(ended + AFTERWARDS).await;
    let samples = load.stop().await;
    let (outage, ledger) = (Outage::of(&samples, asked), Ledger::of(&samples));
    println!(
        "SIGTERM of {node}: it ended with {status} after {:?}; {outage}",
        ended - asked
    );
    invariants::all_succeed(&samples)?;
    ledger.check(before, scene.count("/visits").await?)?;
    anyhow::ensure!(status.code() == Some(0), "it ended with {status}");
    Ok(())
}
