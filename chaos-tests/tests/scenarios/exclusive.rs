//! A component of which one replica serves at a time, on whichever side of a loss that is.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use wrt_chaos_tests::{LatticeStatus, Manifest, Proxy, Sample, Scene, invariants, load::Load};

const WORKERS: [&str; 2] = ["a", "b"];
const PROBE: &str = "component/probe/probe";

const PER_SECOND: u32 = 40;
const BUDGET: Duration = Duration::from_secs(8);
const FAULT_AFTER: Duration = Duration::from_millis(500);
const FAULT: Duration = Duration::from_secs(9);

/// A lease lasts 2.4 s from its last renewal on.
const HELD_LIMIT: Duration = Duration::from_millis(2600);
/// Until it is noticed that the node is gone, its lease has run out and the other one has it. A machine that is
/// busy with other tests takes longer.
const TAKEN_LIMIT: Duration = Duration::from_secs(8);
/// How long the holder may take to end.
const LEAVING_LIMIT: Duration = Duration::from_secs(15);
/// How long everybody may take to serve by way of the new holder.
const HEALED_LIMIT: Duration = Duration::from_secs(8);

/// The workers, each behind a cable and with HTTP of its own, with the probe on one of them.
struct Stage {
    scene: Scene,
    cables: BTreeMap<&'static str, Proxy>,
    urls: BTreeMap<&'static str, String>,
    owner: &'static str,
    other: &'static str,
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let scene = Scene::start(&["edge"]).await?;
        let (mut cables, mut urls) = (BTreeMap::new(), BTreeMap::new());
        let mut manifest = Manifest::probe(&[])?
            .anywhere(1, Some("worker"))
            .exclusive();
        for node in WORKERS {
            let cable = Proxy::start(scene.cluster.nats().port()).await?;
            let lattice = cable.nats_url();
            let arguments = ["--lattice", &lattice, "--label", "role=worker"];
            scene.cluster.start_node_with(node, &[], &arguments)?;
            cables.insert(node, cable);
            let address = scene.cluster.free_address()?;
            manifest = manifest.http(node, &address);
            urls.insert(node, format!("http://{address}/hello"));
        }
        scene.deploy(manifest.budget(BUDGET)).await?;
        let runs = |status: &LatticeStatus, node| status.replica(node, PROBE).is_some();
        let one = |status: &LatticeStatus| {
            status.is_ready(&WORKERS) && runs(status, "a") != runs(status, "b")
        };
        let status = scene.shows("one worker runs the probe", one).await?;
        let (owner, other) = match runs(&status, "a") {
            true => ("a", "b"),
            false => ("b", "a"),
        };
        Ok(Self {
            scene,
            cables,
            urls,
            owner,
            other,
        })
    }

    /// Requests to the HTTP of `node`.
    fn load(&self, node: &str) -> Load {
        let url = self.urls[node].clone();
        Load::start(&self.scene.client, PER_SECOND, move |_| {
            (Method::GET, url.clone())
        })
    }
}

/// When successes ended that were due after `after`.
fn served(samples: &[Sample], after: Duration) -> impl Iterator<Item = Duration> {
    let served = samples
        .iter()
        .filter(move |sample| sample.due > after && sample.is_success());
    served.map(Sample::ended)
}

/// The holder is cut off with callers of its own, which reach it without the bus. It refuses them when it
/// cannot renew its lease, and only then the other one serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_sides_of_a_split_one_serves() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let (here, there) = (stage.load(stage.owner), stage.load(stage.other));
    let behind = here.now().saturating_sub(there.now());
    here.until(FAULT_AFTER).await;
    let fault = here.now();
    stage.cables[stage.owner].stall();
    here.until(fault + FAULT).await;
    let (here, there) = tokio::join!(here.stop(), there.stop());

    invariants::all_end_within(&here, BUDGET)?;
    invariants::all_end_within(&there, BUDGET)?;
    let last_here = served(&here, Duration::ZERO).max();
    let last_here = last_here.ok_or_else(|| anyhow::anyhow!("the holder has served nobody"))?;
    // What is due a moment before is on its way to the holder.
    let there_after = fault.saturating_sub(behind);
    let first_there = served(&there, there_after)
        .map(|ended| ended + behind)
        .min();
    let first_there =
        first_there.ok_or_else(|| anyhow::anyhow!("the other one has not taken over"))?;
    println!(
        "the holder serves its own for {} ms more, the other one from {} ms on",
        last_here.saturating_sub(fault).as_millis(),
        first_there.saturating_sub(fault).as_millis()
    );
    anyhow::ensure!(
        last_here < first_there,
        "both sides serve: {last_here:?}, {first_there:?}"
    );
    anyhow::ensure!(last_here < fault + HELD_LIMIT, "it serves without a lease");
    anyhow::ensure!(first_there < fault + TAKEN_LIMIT, "nobody serves for long");

    stage.cables[stage.owner].heal();
    for node in WORKERS {
        stage
            .scene
            .succeeds(&stage.urls[node], HEALED_LIMIT)
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_holder_is_followed() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let load = stage.load(stage.other);
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    stage.scene.cluster.kill_node(stage.owner)?;
    load.until(fault + FAULT).await;
    let samples = load.stop().await;
    invariants::all_end_within(&samples, BUDGET)?;
    let first = served(&samples, fault).min();
    let first = first.ok_or_else(|| anyhow::anyhow!("nobody has taken over"))?;
    println!(
        "nobody serves for {} ms",
        first.saturating_sub(fault).as_millis()
    );
    anyhow::ensure!(first < fault + TAKEN_LIMIT, "nobody serves for long");
    Ok(())
}

/// A holder that is asked to stop gives its lease back, and callers wait that long.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_holder_that_leaves_loses_no_call() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let load = stage.load(stage.other);
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    let cluster = &stage.scene.cluster;
    cluster.terminate_node(stage.owner, LEAVING_LIMIT).await?;
    load.until(fault + FAULT).await;
    let samples = load.stop().await;
    invariants::all_succeed(&samples)?;
    let longest = samples
        .iter()
        .map(|sample| sample.ended().saturating_sub(sample.due))
        .max();
    println!(
        "the longest took {} ms",
        longest.unwrap_or_default().as_millis()
    );
    Ok(())
}
