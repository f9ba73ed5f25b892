//! A large body through a component on another node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use wrt_chaos_tests::{
    Manifest, Scene,
    body::{EchoError, echo},
    memory::growth_during,
};

const BODY_BYTES: u64 = 64 << 20;

/// By how much the resident memory of a node may grow while a body of any size goes through it.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// How long the client of a body that breaks off may be left in the dark.
const BREAK_LIMIT: Duration = Duration::from_secs(3);

async fn scene() -> anyhow::Result<Scene> {
    let scene = Scene::alone(&["edge", "a"]).await?;
    scene.deploy(Manifest::probe(&["a"])?).await?;
    Ok(scene)
}

/// 64 MiB come back byte for byte, and no node grows by more than 64 MiB meanwhile. The time of the
/// body is not that of the request: it may take as long as it moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn comes_back_whole() -> anyhow::Result<()> {
    let (scene, seen) = (scene().await?, AtomicU64::new(0));
    // Warm: a small body first, so that what is measured is the body and not the first request.
    echo(&scene.url("/echo"), 1 << 20, &AtomicU64::new(0)).await?;
    let (url, began) = (scene.url("/echo"), Instant::now());
    let work = echo(&url, BODY_BYTES, &seen);
    let (grown, echoed) = growth_during(&scene.cluster, ["edge", "a"], work).await?;
    let kib = grown.map(|bytes| bytes >> 10);
    println!(
        "64 MiB echoed in {:?}; edge and a grew by {kib:?} KiB",
        began.elapsed()
    );
    echoed?;
    anyhow::ensure!(
        grown.iter().all(|bytes| *bytes <= GROWTH_BYTES_MAX),
        "grown by {kib:?} KiB"
    );
    Ok(())
}

/// When the component's node is killed in the middle, the client sees a broken body, soon, and never
/// a shorter one that looks whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn breaks_when_its_node_is_killed() -> anyhow::Result<()> {
    let (scene, seen) = (scene().await?, Arc::new(AtomicU64::new(0)));
    let echoing = {
        let (url, seen) = (scene.url("/echo"), Arc::clone(&seen));
        tokio::spawn(async move { echo(&url, BODY_BYTES, &seen).await })
    };
    let began = Instant::now();
    while seen.load(Relaxed) < BODY_BYTES / 8 {
        anyhow::ensure!(
            began.elapsed() < Duration::from_secs(20),
            "the body does not flow"
        );
        anyhow::ensure!(
            !echoing.is_finished(),
            "the body ended: {:?}",
            echoing.await?
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let killed = Instant::now();
    scene.cluster.kill_node("a")?;
    let ended = tokio::time::timeout(BREAK_LIMIT, echoing).await;
    println!(
        "killed in the middle: the client knows after {:?}: {ended:?}",
        killed.elapsed()
    );
    match ended?? {
        Err(EchoError::Broken { bytes, .. }) if bytes < BODY_BYTES => Ok(()),
        other => anyhow::bail!("the body did not break: {other:?}"),
    }
}
