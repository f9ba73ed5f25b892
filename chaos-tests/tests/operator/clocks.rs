//! The wall clock of a node's machine goes back.
//!
//! A node that is started again is called at once, by what it has kept; one that has kept nothing is
//! called as soon as the incarnation before it is known to be dead, and the others say why not before.

use std::{fs, time::Instant};

use anyhow::Context as _;

use super::site::{STARTED, Site};

/// Epochs are 4096 for each millisecond of the wall clock.
const HOUR: u64 = 3_600_000 * 4096;

/// Ends node `a` and starts it as one whose clock is an hour ahead of what it will be later.
fn starts_an_hour_ahead(site: &Site) -> anyhow::Result<()> {
    let folder = site.cluster.kept_folder("a");
    let is_epoch = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|e| e == "epoch");
    let kept = fs::read_dir(folder)?.flatten().find(is_epoch);
    let kept = kept.context("its epoch is kept")?.path();
    let epoch: u64 = fs::read_to_string(&kept)?.trim().parse()?;
    tokio::task::block_in_place(|| site.cluster.kill_node("a"))?;
    fs::write(&kept, (epoch + HOUR).to_string())?;
    tokio::task::block_in_place(|| site.cluster.start_node("a"))?;
    Ok(())
}

async fn is_ahead(site: &Site) -> anyhow::Result<u64> {
    site.serves_within(STARTED).await?;
    let status = site.is_ready(&Site::NODES).await?;
    Ok(status.node("a").map_or(0, |node| node.epoch))
}

/// It was not called for 62 s, and nothing said why.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_is_called_at_once() -> anyhow::Result<()> {
    let site = Site::start().await?;
    starts_an_hour_ahead(&site)?;
    let ahead = is_ahead(&site).await?;
    site.restarts_node("a")?;
    let took = site.serves_within(STARTED).await?;
    println!("a node whose clock went back serves after {took:?}");
    let status = site.is_ready(&Site::NODES).await?;
    let epoch = status.node("a").map_or(0, |node| node.epoch);
    anyhow::ensure!(epoch > ahead, "{epoch} is no later than {ahead}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_has_kept_nothing_is_called_soon() -> anyhow::Result<()> {
    let site = Site::start().await?;
    starts_an_hour_ahead(&site)?;
    let ahead = is_ahead(&site).await?;
    let killed = Instant::now();
    tokio::task::block_in_place(|| site.cluster.kill_node("a"))?;
    fs::remove_dir_all(site.cluster.kept_folder("a"))?;
    tokio::task::block_in_place(|| site.cluster.start_node("a"))?;
    // Dead after 2 s; and it has to start, and to compile.
    site.serves_within(STARTED).await?;
    println!(
        "one that has kept nothing serves after {:?}",
        killed.elapsed()
    );
    let status = site.is_ready(&Site::NODES).await?;
    let epoch = status.node("a").map_or(0, |node| node.epoch);
    anyhow::ensure!(
        epoch < ahead,
        "{epoch} is later than {ahead}: nothing was tested"
    );
    site.is_told("edge", "heard under an older epoch")
}
