//! The service behind a provider fails.

use std::time::Duration;

use wrt_chaos_tests::{Sample, Scene, invariants};

use super::away::{BUDGET, IN_WORDS_MIN, Recovery, share_in_words, while_away};

const RECOVERY: Recovery = Recovery {
    limit: Duration::from_secs(3),
    watched: Duration::from_secs(4),
};

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
    let share = share_in_words(&samples);
    anyhow::ensure!(
        share >= IN_WORDS_MIN,
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
    let share = share_in_words(&samples);
    anyhow::ensure!(share >= 1.0, "{share} have the store's words: {samples:?}");
    Ok(())
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
