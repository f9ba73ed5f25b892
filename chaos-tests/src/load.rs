//! Workloads: open and closed loops.

mod steady;

pub use steady::Load;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::Method;
use tokio::task::JoinSet;

use crate::{Client, Sample};

/// Sends requests at a steady rate, whether or not earlier ones have ended: what users do. `request`
/// says what the n-th one is.
pub async fn open_loop(
    client: &Client,
    per_second: u32,
    duration: Duration,
    request: impl Fn(u64) -> (Method, String),
) -> Vec<Sample> {
    let began = Instant::now();
    let gap = Duration::from_secs(1) / per_second;
    let total = (duration.as_secs_f64() * f64::from(per_second)) as u64;
    let mut running = JoinSet::new();
    let mut samples = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
    for n in 0..total {
        let due = gap * u32::try_from(n).unwrap_or(u32::MAX);
        tokio::time::sleep_until((began + due).into()).await;
        let (method, url) = request(n);
        let client = client.clone();
        running.spawn(async move { client.sample(began, due, method, &url).await });
        while let Some(ended) = running.try_join_next() {
            samples.push(ended.expect("a sample does not panic"));
        }
    }
    while let Some(ended) = running.join_next().await {
        samples.push(ended.expect("a sample does not panic"));
    }
    samples.sort_by_key(|sample| sample.due);
    samples
}

/// Keeps `concurrency` requests in flight until `total` have ended.
pub async fn closed_loop(
    client: &Client,
    concurrency: usize,
    total: u64,
    request: impl Fn(u64) -> (Method, String) + Send + Sync + 'static,
) -> Vec<Sample> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let request = Arc::new(request);
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let (client, next, request) = (client.clone(), Arc::clone(&next), Arc::clone(&request));
        workers.spawn(async move {
            let mut samples = Vec::new();
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n >= total {
                    return samples;
                }
                let (method, url) = request(n);
                samples.push(client.sample(began, began.elapsed(), method, &url).await);
            }
        });
    }
    let mut samples = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
    while let Some(worker) = workers.join_next().await {
        samples.extend(worker.expect("a sample does not panic"));
    }
    samples
}
