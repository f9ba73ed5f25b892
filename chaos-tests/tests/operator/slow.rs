//! NATS is far away: every message takes its time.
//!
//! A node behind a slow line is deployed to and called as any other, only later. It is not taken for
//! dead: then a call would fail, as nobody else can serve it.

use std::time::{Duration, Instant};

use wrt_chaos_tests::{Manifest, Proxy};

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
    Ok(())
}
