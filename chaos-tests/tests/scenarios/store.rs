//! The service behind a provider fails.

use std::time::Duration;

use wrt_chaos_tests::{Sample, Scene, invariants};

use super::away::{BUDGET, Recovery, while_away};

const RECOVERY: Recovery = Recovery {
    limit: Duration::from_secs(3),
    watched: Duration::from_secs(4),
};

/// Of the errors, how many a guest must give in the store's words where each takes until the end of
/// its time: one that a busy machine keeps from answering in what it has left is a 504.
const IN_STORES_WORDS_MIN: f64 = 0.9;

/// While Redis does not answer, every request ends within its budget, and none with a trap: the guest
/// gets an error of its own interface and says so, with 503 and the words of the store. All succeed
/// again soon after it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn paused() -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let redis = scene.cluster.redis();
    let (harm, heal) = (|| Ok(redis.pause()?), || Ok(redis.resume()?));
    let samples = lost("paused", &scene, harm, heal).await?;
    invariants::all_answer(&samples, &[200, 503, 504])?;
    let share = share_in_stores_words(&samples);
    anyhow::ensure!(
        share >= IN_STORES_WORDS_MIN,
        "{share} have the store's words: {samples:?}"
    );
    Ok(())
}

/// The same while Redis is gone; then every error is told at once, and each in the store's words.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_and_restarted() -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let redis = scene.cluster.redis();
    let (harm, heal) = (|| Ok(redis.kill()?), || Ok(redis.restart()?));
    let samples = lost("killed", &scene, harm, heal).await?;
    invariants::all_answer(&samples, &[200, 503])?;
    let share = share_in_stores_words(&samples);
    anyhow::ensure!(share >= 1.0, "{share} have the store's words: {samples:?}");
    Ok(())
}

/// Of the errors, those that name the fault of the call to the store.
fn share_in_stores_words(samples: &[Sample]) -> f64 {
    let failed = samples.iter().filter(|sample| !sample.is_success());
    let told: Vec<bool> = failed
        .map(|sample| sample.outcome.text().contains("executed; hop "))
        .collect();
    told.iter().filter(|told| **told).count() as f64 / told.len() as f64
}

async fn lost(
    how: &str,
    scene: &Scene,
    harm: impl Fn() -> anyhow::Result<()>,
    heal: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Sample>> {
    let samples = while_away(&format!("redis {how}"), scene, RECOVERY, harm, heal).await?;
    scene.is_ready(&["edge", "a", "b", "c", "d"]).await?;
    Ok(samples)
}
