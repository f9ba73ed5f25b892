//! A node is killed under steady load.

use std::time::Duration;

use http::Method;
use wrt_chaos_tests::{
    LatticeStatus, Manifest, Sample, Scene, invariants, invariants::Ledger, load::Load,
    outage::Outage,
};

const BUDGET: Duration = Duration::from_secs(2);

/// Sixty requests a second, in bursts; the fault comes while one is in flight.
const BURST: u32 = 12;
const BURST_GAP: Duration = Duration::from_millis(200);
const FAULT_AFTER: Duration = Duration::from_millis(1006);

const AFTERWARDS: Duration = Duration::from_secs(4);
const RECOVERY_LIMIT: Duration = Duration::from_secs(3);

/// Until a node counts as dead, and until its share runs elsewhere, compiled anew.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(5);
const PROBE: &str = "component/probe/probe";

/// How long the bus may take to see that a process is gone: what is sent there meanwhile counts as
/// under way when the node died.
const NOTICE_LIMIT: Duration = Duration::from_millis(250);

/// Whatever is in flight on the killed node ends within its budget; nothing else fails; reads do not
/// fail at all, since they may be sent again; all succeed again within 3 s; no increment that was
/// acknowledged is lost, and none is made that was said not to have run.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_component() -> anyhow::Result<()> {
    kill("b").await
}

/// The same for the node of the provider behind the component.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_provider() -> anyhow::Result<()> {
    kill("d").await
}

/// When the only replica dies with its node, another node takes it over: all succeed again within 5 s,
/// and meanwhile every request is answered in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_the_only_replica() -> anyhow::Result<()> {
    const WORKERS: [&str; 3] = ["a", "b", "c"];
    let scene = Scene::start(&["edge"]).await?;
    for node in WORKERS {
        scene.cluster.start_node_of_role(node, "worker")?;
    }
    let manifest = Manifest::probe(&[])?.anywhere(1, Some("worker"));
    scene.deploy(manifest.budget(BUDGET)).await?;
    let owner = |status: &LatticeStatus| {
        let runs_it = |node: &&&str| {
            status
                .replica(node, PROBE)
                .is_some_and(|r| r.state == "ready")
        };
        WORKERS.iter().find(runs_it).copied()
    };
    let runs = scene
        .shows("a node runs it", |status| owner(status).is_some())
        .await?;
    let victim = owner(&runs).expect("a node runs it");

    let url = scene.url("/hello");
    let load = Load::start(&scene.client, 30, move |_| (Method::GET, url.clone()));
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    scene.cluster.kill_node(victim)?;
    load.until(fault + TAKEOVER_LIMIT + Duration::from_secs(1))
        .await;
    let samples = load.stop().await;
    println!(
        "kill -9 of the only replica's node: {}",
        Outage::of(&samples, fault)
    );
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_answer(&samples, &[200, 503, 504])?;
    invariants::all_succeed_after(&samples, fault + TAKEOVER_LIMIT)?;
    let moved = |status: &LatticeStatus| owner(status).is_some_and(|node| node != victim);
    scene.shows("another node runs it", moved).await?;
    Ok(())
}

async fn kill(victim: &str) -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let before = scene.count("/visits").await?;
    let requests = scene.reads_and_increments("/visits");
    let load = Load::in_bursts(&scene.client, BURST, BURST_GAP, requests);
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    scene.cluster.kill_node(victim)?;
    let noticed = load.now() + NOTICE_LIMIT;
    load.until(fault + AFTERWARDS).await;
    let samples = load.stop().await;

    let (reads, increments): (Vec<Sample>, Vec<Sample>) = samples
        .iter()
        .cloned()
        .partition(|sample| sample.method == Method::GET);
    let ledger = Ledger::of(&samples);
    println!("kill -9 of {victim}: reads: {}", Outage::of(&reads, fault));
    println!(
        "kill -9 of {victim}: increments: {}; {ledger}",
        Outage::of(&increments, fault)
    );
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_succeed(&reads)?;
    invariants::only_fail_under_way(&increments, fault, noticed)?;
    invariants::all_succeed_after(&samples, fault + RECOVERY_LIMIT)?;
    ledger.check(before, scene.count("/visits").await?)?;
    Ok(())
}
