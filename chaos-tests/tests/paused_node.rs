//! A node is stopped in its tracks under steady load, and goes on later.

#![cfg(test)]

use std::time::{Duration, Instant};

use http::Method;
use tokio::task::JoinSet;
use wrt_chaos_tests::{
    Manifest, Sample, Scene, invariants, invariants::Ledger, load::Load, outage::Outage,
};

const BUDGET: Duration = Duration::from_secs(2);

/// Sixty requests a second, in bursts; the fault comes while one is in flight.
const BURST: u32 = 12;
const BURST_GAP: Duration = Duration::from_millis(200);
const FAULT_AFTER: Duration = Duration::from_millis(1006);

const PAUSE: Duration = Duration::from_secs(5);

/// When the load ends, so that every caller has given up when the node goes on.
const LOAD_IN_PAUSE: Duration = Duration::from_millis(2500);

/// How long the silence of a node may go unnoticed.
const SUSPICION_LIMIT: Duration = Duration::from_secs(1);

/// How long a node may take to serve again when it goes on.
const RETURN_LIMIT: Duration = Duration::from_secs(3);

/// How long stale work is given to show.
const AFTERMATH: Duration = Duration::from_secs(2);

/// From 1 s after the stop every request succeeds, by way of the other replica; none waits beyond its
/// budget, and reads do not fail at all. When the node goes on, what lies in its buffers is dropped
/// unrun: no increment is made after its caller has given up. Then the node serves again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_component() -> anyhow::Result<()> {
    pause("b", "component/counter/counter").await
}

/// The same for the node of the provider behind the component.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_provider() -> anyhow::Result<()> {
    pause("d", "provider/counter/store").await
}

/// The same when the callers' node dies before it could take anything back: work that nobody wants any
/// more is dropped for its age alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whose_caller_dies() -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "a", "c"]).await?;
    let witness = scene.cluster.free_address()?;
    let manifest = Manifest::counter(&["a"])?.redis(&["c"], &scene.redis_url());
    scene
        .deploy(manifest.http("c", &witness).budget(BUDGET))
        .await?;
    let witness = format!("http://{witness}/visits");
    scene.succeeds(&witness, BUDGET).await?;

    scene.cluster.pause_node("a")?;
    let paused = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..BURST {
        let (client, url) = (scene.client.clone(), scene.url("/visits"));
        callers.spawn(async move { client.send(Method::POST, &url).await });
    }
    // Long enough for the bus to have them, and too short for the node to be suspected.
    tokio::time::sleep(Duration::from_millis(300)).await;
    anyhow::ensure!(
        callers.try_join_next().is_none(),
        "a caller did not wait for the stopped node"
    );
    scene.cluster.kill_node("edge")?;
    callers.shutdown().await;
    tokio::time::sleep_until((paused + BUDGET + Duration::from_millis(500)).into()).await;
    scene.cluster.resume_node("a")?;
    scene.succeeds(&witness, RETURN_LIMIT).await?;
    scene.stays_at(&witness, 0, AFTERMATH).await?;
    Ok(())
}

async fn pause(victim: &str, actor: &str) -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let before = scene.count("/visits").await?;
    let requests = scene.reads_and_increments("/visits");
    let load = Load::in_bursts(&scene.client, BURST, BURST_GAP, requests);
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    let paused = Instant::now();
    scene.cluster.pause_node(victim)?;
    load.until(fault + LOAD_IN_PAUSE).await;
    let samples = load.stop().await;
    let counted = scene.count("/visits").await?;

    let (reads, increments): (Vec<Sample>, Vec<Sample>) = samples
        .iter()
        .cloned()
        .partition(|sample| sample.method == Method::GET);
    let ledger = Ledger::of(&samples);
    println!("SIGSTOP of {victim}: reads: {}", Outage::of(&reads, fault));
    println!(
        "SIGSTOP of {victim}: increments: {}; {ledger}",
        Outage::of(&increments, fault)
    );
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_succeed(&reads)?;
    invariants::all_succeed_after(&samples, fault + SUSPICION_LIMIT)?;
    ledger.check(before, counted)?;

    anyhow::ensure!(
        paused.elapsed() < PAUSE,
        "the callers took {:?} to end",
        paused.elapsed()
    );
    tokio::time::sleep_until((paused + PAUSE).into()).await;
    scene.cluster.resume_node(victim)?;
    scene
        .stays_at(&scene.url("/visits"), counted, AFTERMATH)
        .await?;
    scene.is_ready(&["edge", "a", "b", "c", "d"]).await?;
    scene
        .takes_calls(victim, actor, &scene.url("/others"))
        .await?;
    Ok(())
}
