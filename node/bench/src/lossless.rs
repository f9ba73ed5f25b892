//! 200,000 requests, each of which calls a key-value provider on another node.

use std::time::{Duration, Instant};

use http::Method;
use wrt_chaos_tests::{Client, Cluster, Outcome, Profile, load::closed_loop, outage::percentile};

use crate::{outages::counter, row::Row};

const TOTAL: u64 = 200_000;
const IN_FLIGHT: usize = 64;
const WORK: &str = "200,000 x HTTP -> component -> keyvalue, three nodes, 64 in flight";

/// Counts what hangs, what fails and what is lost: each request adds one to a counter.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let cluster = Cluster::start(Profile::Release)?;
    cluster.start_nodes(&["edge", "a", "b", "c", "d"])?;
    let address = cluster.free_address()?;
    cluster.up(&counter(&cluster, &address)?)?;
    let client = Client::new(Duration::from_secs(30));
    let url = format!("http://{address}/visits");
    let began = Instant::now();
    let samples = closed_loop(&client, IN_FLIGHT, TOTAL, {
        let url = url.clone();
        move |_| (Method::POST, url.clone())
    })
    .await;
    let took = began.elapsed();
    let hung = samples
        .iter()
        .filter(|sample| sample.outcome == Outcome::TimedOut)
        .count();
    let succeeded = samples.iter().filter(|sample| sample.is_success()).count();
    let counted = match client.send(Method::GET, &url).await {
        Outcome::Answered { status, body, .. } if status.is_success() => {
            std::str::from_utf8(&body)?.trim().parse::<u64>()?
        }
        other => anyhow::bail!("the count cannot be read: {other:?}"),
    };
    let ms = |share| percentile(&samples, share).as_secs_f64() * 1e3;
    let failed = samples.len() - succeeded - hung;
    let row = |metric, unit, figure, beside: &str| Row::alone((WORK, metric, unit), figure, beside);
    Ok(vec![
        row("hung", "requests", hung as f64, "none"),
        row("failed", "requests", failed as f64, "none"),
        Row::beside(
            (WORK, "counted", "requests"),
            counted as f64,
            ("acknowledged", succeeded as f64),
        ),
        row(
            "throughput",
            "1/s",
            TOTAL as f64 / took.as_secs_f64(),
            "no bound",
        ),
        row("p50", "ms", ms(0.5), "no bound"),
        row("p99.9", "ms", ms(0.999), "no bound"),
        row("longest", "ms", ms(1.0), "no bound"),
    ])
}
