//! A guest that traps, spins or eats memory harms itself alone.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use tokio::task::JoinSet;
use wrt_chaos_tests::{Manifest, Sample, Scene, invariants, load::Load, outage::percentile};

/// How long a guest may run.
const WALL_TIME_MS: u64 = 1500;
const MEMORY_MIB: u64 = 64;
const PER_SECOND: u32 = 20;
const BUDGET: Duration = Duration::from_secs(5);

/// Endless loops at a time where there are to be many.
const LOOPS: usize = 24;

/// What others may wait while a guest misbehaves beside them, on two cores of which it takes one.
const OTHERS_P50_MAX: Duration = Duration::from_millis(100);

/// A trap is 500, with the cause in the log of the node where it happened. An endless loop is 504 at
/// the end of its time. Memory above the limit is refused to the guest, which says so, and is not
/// taken from the machine. Meanwhile every other request succeeds, on the same node.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn harms_itself_alone() -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "a"]).await?;
    let manifest = Manifest::probe(&["a"])?
        .limit("wall_time_ms_max", WALL_TIME_MS)
        .limit("memory_bytes_max", MEMORY_MIB << 20);
    scene.deploy(manifest.budget(BUDGET)).await?;
    let hello = scene.url("/hello");
    scene.succeeds(&hello, BUDGET).await?;
    let others = Load::start(&scene.client, PER_SECOND, move |_| {
        (Method::GET, hello.clone())
    });
    trap(&scene).await?;
    spin(&scene).await?;
    memory(&scene).await?;
    let others = others.stop().await;
    let at = |share| percentile(&others, share);
    println!(
        "others: {} requests, {:?} at p50, {:?} at most",
        others.len(),
        at(0.5),
        at(1.0)
    );
    invariants::all_succeed(&others)?;
    anyhow::ensure!(at(0.5) <= OTHERS_P50_MAX, "others waited {:?}", at(0.5));
    Ok(())
}

/// A node whose guests compute on every core, many more than there are cores, stays on the lattice:
/// nobody takes it for dead, so that no call there is given up, or sent again, while it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn does_not_make_its_node_look_dead() -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "a"]).await?;
    let manifest = Manifest::probe(&["a"])?.limit("wall_time_ms_max", WALL_TIME_MS);
    scene.deploy(manifest.budget(BUDGET)).await?;
    scene.succeeds(&scene.url("/hello"), BUDGET).await?;
    let url = scene.url("/sleep/1000");
    let others = Load::start(&scene.client, PER_SECOND, move |_| {
        (Method::GET, url.clone())
    });
    let spun = endless_loops(&scene, LOOPS).await;
    let others = others.stop().await;
    println!(
        "others, which wait for 1 s: {:?} at most",
        percentile(&others, 1.0)
    );
    invariants::all_answer(&spun, &[504])?;
    invariants::all_end_within(&spun, Duration::from_millis(WALL_TIME_MS))?;
    invariants::all_succeed(&others)?;
    Ok(())
}

async fn trap(scene: &Scene) -> anyhow::Result<()> {
    let outcome = scene.client.send(Method::GET, &scene.url("/trap")).await;
    anyhow::ensure!(
        outcome.status() == Some(StatusCode::INTERNAL_SERVER_ERROR),
        "{outcome:?}"
    );
    anyhow::ensure!(
        !outcome.text().contains("asked to trap"),
        "the cause is not for strangers"
    );
    let log = scene.cluster.node_log("a");
    // What the guest said, and where it was.
    for cause in ["asked to trap", "the guest failed", "unreachable"] {
        anyhow::ensure!(
            log.contains(cause),
            "the log does not say {cause:?}:\n{log}"
        );
    }
    Ok(())
}

/// As many at once as there are cores, so that no core is left that nobody spins on.
async fn spin(scene: &Scene) -> anyhow::Result<()> {
    let spun = endless_loops(scene, 2).await;
    invariants::all_answer(&spun, &[504])?;
    invariants::all_end_within(&spun, Duration::from_millis(WALL_TIME_MS))?;
    Ok(())
}

async fn endless_loops(scene: &Scene, count: usize) -> Vec<Sample> {
    let (began, mut spinning) = (Instant::now(), JoinSet::new());
    for _ in 0..count {
        let (client, url) = (scene.client.clone(), scene.url("/spin"));
        let due = began.elapsed();
        spinning.spawn(async move { client.sample(began, due, Method::GET, &url).await });
    }
    let spun: Vec<Sample> = spinning.join_all().await;
    let (first, last) = (
        spun.iter().map(|s| s.took).min(),
        spun.iter().map(|s| s.took).max(),
    );
    println!("{count} endless loops ended after {first:?} to {last:?}");
    spun
}

async fn memory(scene: &Scene) -> anyhow::Result<()> {
    let before = scene.cluster.node_rss_bytes("a")?;
    let outcome = scene
        .client
        .send(Method::GET, &scene.url("/memory/512"))
        .await;
    let grown = scene.cluster.node_rss_bytes("a")?.saturating_sub(before) >> 20;
    println!(
        "512 MiB over a limit of {MEMORY_MIB}: {:?}, the node grew by {grown} MiB",
        outcome.text()
    );
    anyhow::ensure!(
        outcome.status() == Some(StatusCode::INSUFFICIENT_STORAGE),
        "{outcome:?}"
    );
    anyhow::ensure!(grown <= MEMORY_MIB, "the node grew by {grown} MiB");
    let enough = scene
        .client
        .send(Method::GET, &scene.url("/memory/32"))
        .await;
    anyhow::ensure!(enough.is_success(), "below its limit: {enough:?}");
    Ok(())
}
