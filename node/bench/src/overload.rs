//! Four times the capacity of a component for 8 s, from clients that give up, then a probe.

use std::time::Duration;

use http::{Method, StatusCode};
use wrt_chaos_tests::{
    Client, Cluster, Manifest, Profile, Sample, load::open_loop, outage::percentile,
};

use crate::row::Row;

const GUEST_MS: u64 = 50;
const PERMITS: u64 = 4;
const OVERLOAD_PER_SECOND: u32 = 320;
const OVERLOAD: Duration = Duration::from_secs(8);
const CLIENT_PATIENCE: Duration = Duration::from_secs(2);
const PROBE_PER_SECOND: u32 = 20;
const PROBE: Duration = Duration::from_secs(5);
const WORK: &str = "overload: 50 ms guest, 4 permits, 320/s for 8 s";

/// The server and the component are on two nodes.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let cluster = Cluster::start(Profile::Release)?;
    cluster.start_nodes(&["edge", "a"])?;
    let address = cluster.free_address()?;
    // A short queue: what waits longer than its client's patience is work for nobody.
    let manifest = Manifest::probe(&["a"])?
        .limit("concurrency_max", PERMITS)
        .limit("queue_max", 8);
    cluster.up(&manifest.http("edge", &address))?;
    let client = Client::new(CLIENT_PATIENCE);
    let url = format!("http://{address}/sleep/{GUEST_MS}");
    client.send(Method::GET, &url).await;
    let flood = open_loop(&client, OVERLOAD_PER_SECOND, OVERLOAD, |_| {
        (Method::GET, url.clone())
    })
    .await;
    let probe = open_loop(&client, PROBE_PER_SECOND, PROBE, |_| {
        (Method::GET, url.clone())
    })
    .await;

    let succeeded = flood.iter().filter(|sample| sample.is_success()).count();
    let capacity = PERMITS as f64 * OVERLOAD.as_secs_f64() * 1000.0 / GUEST_MS as f64;
    let refused: Vec<Sample> = flood
        .iter()
        .filter(|sample| sample.status() == Some(StatusCode::SERVICE_UNAVAILABLE))
        .cloned()
        .collect();
    let others = flood.len() - succeeded - refused.len();
    let answered = probe.iter().filter(|sample| sample.is_success()).count();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let row = |metric, unit, figure, beside: &str| Row::alone((WORK, metric, unit), figure, beside);
    Ok(vec![
        Row::beside(
            (WORK, "goodput", "requests"),
            succeeded as f64,
            ("capacity", capacity),
        ),
        row(
            "refused with 503",
            "requests",
            refused.len() as f64,
            "the rest",
        ),
        row(
            "p99 of a refusal",
            "ms",
            ms(percentile(&refused, 0.99)),
            "fast",
        ),
        row("neither", "requests", others as f64, "none"),
        Row::beside(
            (WORK, "probes answered afterwards", "requests"),
            answered as f64,
            ("probes sent", probe.len() as f64),
        ),
    ])
}
