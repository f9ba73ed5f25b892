//! Memory while 1 GiB goes through a component on another node, and back.

use std::{
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use wrt_chaos_tests::{Cluster, Manifest, Profile, body::echo, memory::growth_during};

use crate::row::Row;

const BODY_BYTES: u64 = 1 << 30;
const MIB: f64 = (1 << 20) as f64;
const BOUND: &str = "at most 64 MiB";

/// Longer than the echo takes: what is measured is not how long it may take.
const BUDGET: Duration = Duration::from_secs(600);

/// Sends the body to `/echo` of a component on node `a` by way of node `edge`.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let cluster = Cluster::start(Profile::Release)?;
    cluster.start_nodes(&["edge", "a"])?;
    let address = cluster.free_address()?;
    let budget_ms = u64::try_from(BUDGET.as_millis())?;
    let manifest = Manifest::probe(&["a"])?.limit("wall_time_ms_max", budget_ms);
    cluster.up(&manifest.http("edge", &address))?;
    let url = format!("http://{address}/echo");
    // Warm: a small body first, so that what is measured is the body and not the first request.
    echo(&url, 1 << 20, &AtomicU64::new(0)).await?;
    let began = Instant::now();
    let seen = AtomicU64::new(0);
    let echoed = echo(&url, BODY_BYTES, &seen);
    let ([edge, a], echoed) = growth_during(&cluster, ["edge", "a"], echoed).await?;
    let took = began.elapsed();
    echoed?;
    let work = "1 GiB echoed by a component on another node";
    Ok(vec![
        Row::alone(
            (work, "memory, server's node grows by", "MiB"),
            edge as f64 / MIB,
            BOUND,
        ),
        Row::alone(
            (work, "memory, component's node grows by", "MiB"),
            a as f64 / MIB,
            BOUND,
        ),
        Row::alone(
            (work, "each way", "MiB/s"),
            1024.0 / took.as_secs_f64(),
            "no bound",
        ),
    ])
}
