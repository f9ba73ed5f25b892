//! A node is stopped in its tracks under steady load, and goes on later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

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
/// unrun: no increment that came while it stood is made after its caller has given up. Then the node
/// serves again.
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
    // What the node had begun when it was stopped it may end, so that is counted apart.
    let [before, during] = [scene.url("/before"), scene.url("/during")];
    let is_paused = Arc::new(AtomicBool::new(false));
    let load = {
        let (is_paused, before, during) = (Arc::clone(&is_paused), before.clone(), during.clone());
        Load::in_bursts(&scene.client, BURST, BURST_GAP, move |n| {
            let method = if n % 2 == 0 {
                Method::GET
            } else {
                Method::POST
            };
            (
                method,
                if is_paused.load(Relaxed) {
                    &during
                } else {
                    &before
                }
                .clone(),
            )
        })
    };
    load.until(FAULT_AFTER).await;
    let (fault, paused) = (load.now(), Instant::now());
    scene.cluster.pause_node(victim)?;
    is_paused.store(true, Relaxed);
    load.until(fault + LOAD_IN_PAUSE).await;
    let samples = load.stop().await;
    let counted = scene.count("/during").await?;

    let (reads, increments): (Vec<Sample>, Vec<Sample>) = samples
        .iter()
        .cloned()
        .partition(|sample| sample.method == Method::GET);
    let ledger = |url: &str| Ledger::of(samples.iter().filter(|sample| sample.url == url));
    println!("SIGSTOP of {victim}: reads: {}", Outage::of(&reads, fault));
    println!(
        "SIGSTOP of {victim}: increments: {}",
        Outage::of(&increments, fault)
    );
    println!(
        "SIGSTOP of {victim}: before {}; during {}",
        ledger(&before),
        ledger(&during)
    );
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_succeed(&reads)?;
    invariants::all_succeed_after(&samples, fault + SUSPICION_LIMIT)?;
    ledger(&during).check(0, counted)?;

    anyhow::ensure!(
        paused.elapsed() < PAUSE,
        "the callers took {:?} to end",
        paused.elapsed()
    );
    tokio::time::sleep_until((paused + PAUSE).into()).await;
    scene.cluster.resume_node(victim)?;
    scene.stays_at(&during, counted, AFTERMATH).await?;
    ledger(&before).check(0, scene.count("/before").await?)?;
    scene.is_ready(&["edge", "a", "b", "c", "d"]).await?;
    scene
        .takes_calls(victim, actor, &scene.url("/others"))
        .await?;
    Ok(())
}
