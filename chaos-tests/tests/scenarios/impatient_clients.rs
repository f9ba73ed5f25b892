//! Clients that give up: the component must not go on working for them.

use std::time::{Duration, Instant};

use http::{Method, StatusCode, header::RETRY_AFTER};
use tokio::task::JoinSet;
use wrt_chaos_tests::{
    Client, LatticeStatus, Manifest, Sample, Scene, invariants, load::open_loop, outage::percentile,
};

const GUEST_MS: u64 = 50;
const PERMITS: u64 = 4;
const OVERLOAD_PER_SECOND: u32 = 320;
const OVERLOAD: Duration = Duration::from_secs(3);
const CLIENT_PATIENCE: Duration = Duration::from_secs(2);
const PROBE_PER_SECOND: u32 = 20;
const PROBE: Duration = Duration::from_secs(2);

/// What of a component's capacity must be left under overload, in a build that is not optimised.
const GOODPUT_MIN: f64 = 0.8;

/// How long a refusal may take in the middle of the others.
const REFUSAL_P50_MAX: Duration = Duration::from_millis(250);

/// Under four times the load that a component can take, from clients that give up, it does what it
/// can; everything else is refused fast, with 503 and the time to try again, and nothing hangs.
/// Afterwards every request of a light load is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overload() -> anyhow::Result<()> {
    let scene = Scene::alone(&["edge", "a"]).await?;
    // A short queue: what waits longer than its client's patience is work for nobody.
    let manifest = Manifest::probe(&["a"])?
        .limit("concurrency_max", PERMITS)
        .limit("queue_max", 8);
    scene.deploy(manifest).await?;
    let url = scene.url(&format!("/sleep/{GUEST_MS}"));
    scene.succeeds(&url, CLIENT_PATIENCE).await?;
    let client = Client::new(CLIENT_PATIENCE);
    let request = |_| (Method::GET, url.clone());
    let flood = open_loop(&client, OVERLOAD_PER_SECOND, OVERLOAD, request).await;
    let probe = open_loop(&client, PROBE_PER_SECOND, PROBE, request).await;

    let (succeeded, rest): (Vec<Sample>, Vec<Sample>) =
        flood.iter().cloned().partition(Sample::is_success);
    let capacity = PERMITS as f64 * OVERLOAD.as_secs_f64() * 1000.0 / GUEST_MS as f64;
    let goodput = succeeded.len() as f64 / capacity;
    let p50 = percentile(&rest, 0.5);
    println!(
        "overload: {} of {} succeeded, {:.0} % of capacity; refused in {p50:?} at p50, {:?} at p99; \
         the longest of those that succeeded took {:?}",
        succeeded.len(),
        flood.len(),
        goodput * 100.0,
        percentile(&rest, 0.99),
        percentile(&succeeded, 1.0),
    );
    invariants::all_answer(&flood, &[200, 503])?;
    let is_told_when = |sample: &Sample| sample.outcome.has_header(RETRY_AFTER);
    anyhow::ensure!(
        rest.iter().all(is_told_when),
        "a refusal without Retry-After"
    );
    anyhow::ensure!(p50 <= REFUSAL_P50_MAX, "a refusal takes {p50:?}");
    anyhow::ensure!(
        goodput >= GOODPUT_MIN,
        "{:.0} % of capacity",
        goodput * 100.0
    );
    invariants::all_succeed(&probe)?;
    Ok(())
}

/// A client that disconnects in the middle of a request takes it back on the other node too: the
/// permits that its work held are free at once, and long before the work would have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn disconnect() -> anyhow::Result<()> {
    const RUNNING: u32 = 2;
    const WAITING: u32 = 4;
    let scene = Scene::alone(&["edge", "a"]).await?;
    let manifest = Manifest::probe(&["a"])?;
    let manifest = manifest
        .limit("concurrency_max", RUNNING.into())
        .limit("queue_max", WAITING.into());
    scene.deploy(manifest).await?;
    let component = |status: &LatticeStatus| {
        let replica = status.replica("a", "component/probe/probe");
        replica.map(|replica| (replica.running, replica.waiting))
    };
    let mut clients = JoinSet::new();
    for _ in 0..RUNNING + WAITING {
        let (client, url) = (scene.client.clone(), scene.url("/sleep/8000"));
        clients.spawn(async move { client.send(Method::GET, &url).await });
    }
    let all_taken = |status: &LatticeStatus| component(status) == Some((RUNNING, WAITING));
    scene
        .shows(
            "every permit and every place in the queue is taken",
            all_taken,
        )
        .await?;
    let refused = scene.client.send(Method::GET, &scene.url("/hello")).await;
    anyhow::ensure!(
        refused.status() == Some(StatusCode::SERVICE_UNAVAILABLE),
        "{refused:?}"
    );

    let left = Instant::now();
    clients.shutdown().await;
    let free_again = scene
        .succeeds(&scene.url("/hello"), Duration::from_secs(1))
        .await?;
    println!("disconnect: the next request succeeds {free_again:?} after its predecessors left");
    // As many at once as there are permits: with one still taken, one of these would wait for it.
    let url = scene.url("/sleep/50");
    let sleeps = (0..RUNNING).map(|_| scene.client.sample(left, left.elapsed(), Method::GET, &url));
    let sleeps = futures::future::join_all(sleeps).await;
    invariants::all_end_within(&sleeps, Duration::from_secs(1))?;
    invariants::all_succeed(&sleeps)?;
    scene
        .shows("nothing runs or waits", |status| {
            component(status) == Some((0, 0))
        })
        .await?;
    Ok(())
}
