//! Nodes of a provider are killed under increments that it deduplicates.

use std::time::Duration;

use http::Method;
use wrt_chaos_tests::{
    Manifest, Scene, invariants, invariants::Ledger, load::Load, outage::Outage,
};

const BUDGET: Duration = Duration::from_secs(5);
const DEDUPLICATE_FOR: Duration = Duration::from_secs(60);

/// Sixty increments a second, in bursts; each fault comes while one is in flight.
const BURST: u32 = 12;
const BURST_GAP: Duration = Duration::from_millis(200);
const FAULT_AFTER: Duration = Duration::from_millis(1006);
const AFTERWARDS: Duration = Duration::from_secs(2);

/// The nodes of the provider, each killed while the other one runs.
const VICTIMS: [&str; 2] = ["d", "c"];
/// The nodes that call it.
const CALLERS: [&str; 2] = ["a", "b"];
/// How often each is killed at the most, until a kill has met an increment in flight.
const ROUNDS_MAX: usize = 5;
const ALL: [&str; 5] = ["edge", "a", "b", "c", "d"];

/// None fails, and none counts twice: what was in flight on a killed node is tried again at the other
/// one, under its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_redis() -> anyhow::Result<()> {
    let scene = Scene::start(&ALL).await?;
    let manifest = Manifest::counter(&["a", "b"])?.redis(&["c", "d"], &scene.redis_url());
    none_fails_and_none_counts_twice(scene, manifest).await
}

/// The same where the answers are kept beside the values, and in a bucket of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_nats() -> anyhow::Result<()> {
    let scene = Scene::start(&ALL).await?;
    let url = scene.cluster.nats().url();
    let manifest = Manifest::counter(&["a", "b"])?.nats(&["c", "d"], &url);
    none_fails_and_none_counts_twice(scene, manifest).await
}

async fn none_fails_and_none_counts_twice(scene: Scene, manifest: Manifest) -> anyhow::Result<()> {
    let manifest = manifest.deduplicate_for(DEDUPLICATE_FOR).budget(BUDGET);
    scene.deploy(manifest).await?;
    scene.is_ready(&ALL).await?;
    let before = scene.count("/visits").await?;
    let url = scene.url("/visits");
    let load = Load::in_bursts(&scene.client, BURST, BURST_GAP, move |_| {
        (Method::POST, url.clone())
    });
    let repeated = || -> usize {
        let of = |node: &&str| scene.cluster.repeated(node);
        CALLERS.iter().map(of).sum()
    };
    let mut faults = Vec::new();
    for (at, victim) in VICTIMS.iter().cycle().enumerate() {
        if at >= VICTIMS.len() && (repeated() > 0 || at == VICTIMS.len() * ROUNDS_MAX) {
            break;
        }
        // In the middle of a burst, as the first one is.
        let gap = BURST_GAP.as_micros();
        let bursts = u32::try_from(load.now().as_micros() / gap)? + 1;
        load.until(BURST_GAP * bursts + FAULT_AFTER).await;
        faults.push((victim, load.now()));
        scene.cluster.kill_node(victim)?;
        load.until(load.now() + AFTERWARDS).await;
        tokio::task::block_in_place(|| scene.cluster.start_node(victim))?;
        scene.is_ready(&ALL).await?;
    }
    let samples = load.stop().await;
    let ledger = Ledger::of(&samples);
    for (victim, fault) in faults {
        println!("kill -9 of {victim}: {}", Outage::of(&samples, fault));
    }
    let repeated = repeated();
    println!("{ledger}; {repeated} repeated that may have been executed");
    anyhow::ensure!(repeated > 0, "no kill has met an increment in flight");
    invariants::all_succeed(&samples)?;
    ledger.check(before, scene.count("/visits").await?)?;
    Ok(())
}
