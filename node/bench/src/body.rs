//! Memory while 1 GiB goes through a component on another node, and back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use futures::stream;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use wrt_chaos_tests::{Cluster, Profile};

use crate::{outages::probe_manifest, row::Row};

const BODY_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 64 * 1024;
const MIB: f64 = (1 << 20) as f64;
const BOUND: &str = "at most 64 MiB";

/// Sends the body to `/echo` of a component on node `a` by way of node `edge`.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let cluster = Arc::new(Cluster::start(Profile::Release)?);
    for node in ["edge", "a"] {
        cluster.start_node(node)?;
    }
    let address = cluster.free_address()?;
    cluster.up(&probe_manifest(&address, &["a"], 600_000)?)?;
    // Warm: a small body first, so that what is measured is the body and not the first request.
    echo(&address, 1 << 20).await?;
    let before = [
        cluster.node_rss_bytes("edge")?,
        cluster.node_rss_bytes("a")?,
    ];
    let (done, peaks) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new([const { AtomicU64::new(0) }; 2]),
    );
    let watcher = {
        let (cluster, done, peaks) = (Arc::clone(&cluster), Arc::clone(&done), Arc::clone(&peaks));
        tokio::spawn(async move {
            while !done.load(Relaxed) {
                for (node, peak) in ["edge", "a"].iter().zip(peaks.iter()) {
                    peak.fetch_max(cluster.node_rss_bytes(node).unwrap_or_default(), Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    let began = Instant::now();
    let echoed = echo(&address, BODY_BYTES).await;
    let took = began.elapsed();
    done.store(true, Relaxed);
    watcher.await?;
    echoed?;
    let grown = |n: usize| peaks[n].load(Relaxed).saturating_sub(before[n]) as f64 / MIB;
    let work = "1 GiB echoed by a component on another node";
    Ok(vec![
        Row::alone(
            (work, "memory, trigger's node grows by", "MiB"),
            grown(0),
            BOUND,
        ),
        Row::alone(
            (work, "memory, component's node grows by", "MiB"),
            grown(1),
            BOUND,
        ),
        Row::alone(
            (work, "each way", "MiB/s"),
            1024.0 / took.as_secs_f64(),
            "no bound",
        ),
    ])
}

/// Sends a body of `bytes` and reads it back, byte by byte the same.
async fn echo(address: &str, bytes: u64) -> anyhow::Result<()> {
    let pieces = bytes / PIECE_BYTES as u64;
    let piece = |n: u64| Bytes::from(vec![(n % 251) as u8; PIECE_BYTES]);
    let frames =
        stream::iter((0..pieces).map(move |n| Ok::<_, std::io::Error>(Frame::data(piece(n)))));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{address}/echo")).body(StreamBody::new(frames))?;
    let response = client.request(request).await?;
    ensure!(
        response.status().is_success(),
        "the echo answered {}",
        response.status()
    );
    let mut body = response.into_body();
    let mut seen = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        for run in data.chunks(PIECE_BYTES) {
            let expected = |at: u64| ((at / PIECE_BYTES as u64) % 251) as u8;
            let last = seen + run.len() as u64 - 1;
            let (first_ok, last_ok) = (
                run[0] == expected(seen),
                run[run.len() - 1] == expected(last),
            );
            ensure!(
                first_ok && last_ok,
                "byte {seen} or {last} is not what was sent"
            );
            seen += run.len() as u64;
        }
    }
    ensure!(seen == bytes, "{seen} of {bytes} bytes came back");
    Ok(())
}
