//! A node is asked to stop under steady load.

#![cfg(test)]

use std::time::Duration;

use wrt_chaos_tests::{Scene, invariants, invariants::Ledger, load::Load, outage::Outage};

const BUDGET: Duration = Duration::from_secs(5);
const PER_SECOND: u32 = 60;
const ASKED_AFTER: Duration = Duration::from_secs(1);
const AFTERWARDS: Duration = Duration::from_secs(2);

/// A node's patience by default, and some time to end the process.
const END_LIMIT: Duration = Duration::from_secs(11);

/// SIGTERM loses no request, neither those in flight nor later ones; the node ends with 0 within its
/// patience.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_component() -> anyhow::Result<()> {
    drain("b").await
}

/// The same for the node of the provider behind the component.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_node_of_a_provider() -> anyhow::Result<()> {
    drain("d").await
}

async fn drain(node: &str) -> anyhow::Result<()> {
    let scene = Scene::counter(BUDGET).await?;
    let before = scene.count("/visits").await?;
    let load = Load::start(
        &scene.client,
        PER_SECOND,
        scene.reads_and_increments("/visits"),
    );
    load.until(ASKED_AFTER).await;
    let asked = load.now();
    let status = scene.cluster.terminate_node(node, END_LIMIT).await?;
    let ended = load.now();
    load.until(ended + AFTERWARDS).await;
    let samples = load.stop().await;
    let (outage, ledger) = (Outage::of(&samples, asked), Ledger::of(&samples));
    println!(
        "SIGTERM of {node}: it ended with {status} after {:?}; {outage}",
        ended - asked
    );
    invariants::all_succeed(&samples)?;
    ledger.check(before, scene.count("/visits").await?)?;
    anyhow::ensure!(status.code() == Some(0), "it ended with {status}");
    Ok(())
}
