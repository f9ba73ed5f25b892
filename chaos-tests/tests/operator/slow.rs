//! NATS is far away: every message takes its time.
//!
//! A node behind a slow line is deployed to and called as any other, only later. It is not taken for
//! dead: then a call would fail, as nobody else can serve it.

use std::{
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use http::Method;
use wrt_chaos_tests::{
    LatticeStatus, Manifest, Proxy, body::echo, invariants, load::Load, outage::percentile,
};

use super::site::Site;

/// In each direction: a call goes this way twice, and its answer too.
const DELAY: Duration = Duration::from_millis(200);

/// As long as many heartbeats.
const LOOKED_AT: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_slow_is_not_dead() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let proxy = Proxy::start(site.cluster.nats().port()).await?;
    tokio::task::block_in_place(|| site.cluster.kill_node("a"))?;
    site.cluster.start_node_at("a", &proxy.nats_url())?;
    site.is_ready(&Site::NODES).await?;
    proxy.slow_down(DELAY);

    // Its component is fetched over the slow line.
    site.deploy(Manifest::probe(&["a"])?).await?;
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < LOOKED_AT {
        let sent = Instant::now();
        site.serves().await?;
        anyhow::ensure!(sent.elapsed() >= DELAY * 2, "the line is not slow");
        calls += 1;
    }
    // No call failed, and none found nobody there.
    println!("{calls} calls");
    site.shows_no_trouble().await?;
    // Also to an operator who is behind that line, twice as far from its node.
    let far = tokio::task::block_in_place(|| {
        site.cluster
            .wrt_by(&proxy.nats_url(), &["ps", "--output", "json"])
    })?;
    let seen: LatticeStatus = serde_json::from_str(&far)?;
    anyhow::ensure!(seen.is_ready(&Site::NODES), "seen from afar: {far}");
    Ok(())
}

const BODY_BYTES: u64 = 8_000_000;
/// So many bytes a second that the body takes a few seconds.
const NARROW: u32 = 3_000_000;
const FAR: Duration = Duration::from_millis(20);
/// What other calls may wait: a multiple of their way, and far less than the body takes.
const OTHERS_P50_MAX: Duration = Duration::from_millis(400);
const ECHO_MAX: Duration = Duration::from_secs(60);

/// A body goes over the narrow line there and back at once, and comes back whole. Calls of other clients
/// share the line with it, and wait for a few of its pieces: not for all that is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_takes_its_time_and_not_that_of_others() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let proxy = Proxy::start(site.cluster.nats().port()).await?;
    tokio::task::block_in_place(|| site.cluster.kill_node("a"))?;
    site.cluster.start_node_at("a", &proxy.nats_url())?;
    site.is_ready(&Site::NODES).await?;
    site.deploy(Manifest::probe(&["a"])?).await?;
    site.serves().await?;

    proxy.narrow(FAR, NARROW);
    let hello = site.url("/hello");
    let others = Load::start(&site.client, 20, move |_| (Method::GET, hello.clone()));
    let (began, url, seen) = (Instant::now(), site.url("/echo"), AtomicU64::new(0));
    let echoed = tokio::time::timeout(ECHO_MAX, echo(&url, BODY_BYTES, &seen)).await;
    let took = began.elapsed();
    let others = others.stop().await;
    let at = |share| percentile(&others, share);
    println!(
        "{BODY_BYTES} bytes there and back in {took:?}; {} others: {:?} at p50, {:?} at most",
        others.len(),
        at(0.5),
        at(1.0)
    );
    echoed??;
    let least = Duration::from_secs(BODY_BYTES / u64::from(NARROW));
    anyhow::ensure!(took >= least, "the line is not narrow: {took:?}");
    invariants::all_succeed(&others)?;
    anyhow::ensure!(at(0.5) <= OTHERS_P50_MAX, "{:?} at p50", at(0.5));
    site.shows_no_trouble().await?;
    Ok(())
}
