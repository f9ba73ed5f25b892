//! NATS comes back without JetStream.
//!
//! Calls go on, and nodes start with what they last knew. `wrt up` and `wrt down` say what is missing,
//! once and soon; the log of a node and `wrt ps` do too. When it is back, everything is as before.

use std::time::{Duration, Instant};

use super::site::{STARTED, Site};

const OFF: &str = "JetStream does not answer: enable it on the NATS server";

/// It was told as "requested JetStream resource does not exist", three times in a chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_known_serves_and_what_is_missing_is_told_once() -> anyhow::Result<()> {
    let site = Site::start().await?;
    site.reconfigures_nats("")?;
    site.shows("the nodes are in trouble", |status| {
        status.is_ready(&Site::NODES)
            && status
                .nodes
                .iter()
                .all(|node| node.desired_trouble.is_some())
    })
    .await?;
    site.serves().await?;
    site.is_told("a", OFF)?;
    site.restarts_node("a")?;
    site.is_ready(&Site::NODES).await?;
    site.serves_within(STARTED).await?;

    let manifest = site.cluster.folder().join("app.toml");
    for arguments in [
        &["up", &*manifest.to_string_lossy()][..],
        &["down", "probe"],
        &["node", "cordon", "a"],
        &["node", "drain", "a"],
    ] {
        let begun = Instant::now();
        let told = site.wrt_fails(arguments)?;
        anyhow::ensure!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
        anyhow::ensure!(told.matches(OFF).count() == 1, "{told}");
        anyhow::ensure!(!told.contains("does not exist"), "{told}");
    }
    let ps = site.wrt(&["ps"])?;
    anyhow::ensure!(ps.contains(OFF) && ps.contains("cannot be read on"), "{ps}");

    let folder = site.cluster.nats().jetstream_folder();
    site.reconfigures_nats(&format!("jetstream {{ store_dir: {folder:?} }}"))?;
    site.shows_no_trouble().await?;
    site.serves().await?;
    site.wrt(&["down", "probe"])?;
    Ok(())
}
