//! The service behind a provider fails.

#![cfg(test)]

use std::time::Duration;

use wrt_chaos_tests::{
    Sample, Scene, invariants,
    load::Load,
    outage::{Outage, statuses},
};

const BUDGET: Duration = Duration::from_secs(2);
const PER_SECOND: u32 = 40;
const FAULT_AFTER: Duration = Duration::from_secs(1);
const FAULT: Duration = Duration::from_secs(3);
const AFTERWARDS: Duration = Duration::from_secs(4);

/// How long until everything works again, once the service does.
const RECOVERY_LIMIT: Duration = Duration::from_secs(3);

/// While Redis does not answer, every request ends within its budget, and none with a trap. All
/// succeed again soon after it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn paused() -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let redis = scene.cluster.redis();
    let samples = lost(
        "paused",
        &scene,
        || Ok(redis.pause()?),
        || Ok(redis.resume()?),
    )
    .await?;
    invariants::all_answer(&samples, &[200, 503, 504])?;
    Ok(())
}

/// While Redis is gone, the guest gets an error of its own interface each time and says so: 503 with
/// the words of the store, and never a trap. All succeed again soon after it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_and_restarted() -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let redis = scene.cluster.redis();
    let samples = lost(
        "killed",
        &scene,
        || Ok(redis.kill()?),
        || Ok(redis.restart()?),
    )
    .await?;
    invariants::all_answer(&samples, &[200, 503])?;
    let failed: Vec<&Sample> = samples
        .iter()
        .filter(|sample| !sample.is_success())
        .collect();
    let in_its_own_words = |sample: &&&Sample| sample.outcome.text().contains("executed; hop ");
    let told = failed.iter().filter(in_its_own_words).count();
    println!(
        "redis killed: {told} of {} errors have the store's words",
        failed.len()
    );
    anyhow::ensure!(
        told == failed.len(),
        "an error without the store's words: {failed:?}"
    );
    Ok(())
}

async fn lost(
    how: &str,
    scene: &Scene,
    harm: impl Fn() -> anyhow::Result<()>,
    heal: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Sample>> {
    let load = Load::start(
        &scene.client,
        PER_SECOND,
        scene.reads_and_increments("/visits"),
    );
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    tokio::task::block_in_place(harm)?;
    load.until(fault + FAULT).await;
    tokio::task::block_in_place(heal)?;
    let healed = load.now();
    load.until(healed + AFTERWARDS).await;
    let samples = load.stop().await;
    println!("redis {how} for {FAULT:?}: {}", Outage::of(&samples, fault));
    println!(
        "redis {how}: since it is back: {}",
        Outage::of(&samples, healed)
    );
    println!(
        "redis {how}: the answers by status: {:?}",
        statuses(&samples)
    );
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_succeed_after(&samples, healed + RECOVERY_LIMIT)?;
    let failed = samples.iter().filter(|sample| !sample.is_success());
    anyhow::ensure!(
        failed.count() > 0,
        "the fault did not hurt, so that nothing was tested"
    );
    scene.is_ready(&["edge", "a", "b", "c", "d"]).await?;
    Ok(samples)
}
