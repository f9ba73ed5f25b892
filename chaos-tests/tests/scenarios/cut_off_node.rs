//! A node loses the bus, and nothing else.

use std::time::{Duration, Instant};

use http::Method;
use wrt_chaos_tests::{
    Manifest, Proxy, Scene, invariants,
    invariants::Ledger,
    load::Load,
    outage::{Outage, statuses},
};

const BUDGET: Duration = Duration::from_secs(2);
const PER_SECOND: u32 = 30;
const FAULT_AFTER: Duration = Duration::from_secs(1);
const LOAD_IN_FAULT: Duration = Duration::from_millis(1500);
const FAULT: Duration = Duration::from_secs(4);
const SUSPICION_LIMIT: Duration = Duration::from_secs(1);

/// How long the node may take to be back on the bus.
const REJOIN_LIMIT: Duration = Duration::from_secs(6);

/// How long stale work is given to show.
const AFTERMATH: Duration = Duration::from_secs(2);

/// A node whose connections to the bus are reset answers its own callers in time, with errors; callers
/// elsewhere use the other replica from 1 s on. Healed, it is back without a restart, and what its
/// callers gave up is not done later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_are_reset() -> anyhow::Result<()> {
    cut_off("reset", Proxy::cut).await
}

/// The same when its connections stay open and nothing moves on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_are_stalled() -> anyhow::Result<()> {
    cut_off("stalled", Proxy::stall).await
}

/// Node `a` reaches the bus by way of the proxy, runs the component, and has HTTP of its own; `b` is
/// the other replica, and the provider is on `c`.
async fn cut_off(how: &str, harm: fn(&Proxy)) -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "b", "c"]).await?;
    let proxy = Proxy::start(scene.cluster.nats().port()).await?;
    scene.cluster.start_node_at("a", &proxy.nats_url())?;
    let own = scene.cluster.free_address()?;
    let manifest = Manifest::counter(&["a", "b"])?.redis(&["c"], &scene.redis_url());
    scene
        .deploy(manifest.http("a", &own).budget(BUDGET))
        .await?;
    let own = format!("http://{own}/own");
    let before = scene.is_ready(&["edge", "a", "b", "c"]).await?;

    let elsewhere = scene.reads_and_increments("/elsewhere");
    let elsewhere = Load::start(&scene.client, PER_SECOND, elsewhere);
    let at_home = {
        let own = own.clone();
        Load::start(&scene.client, PER_SECOND, move |_| {
            (Method::POST, own.clone())
        })
    };
    elsewhere.until(FAULT_AFTER).await;
    let (fault, harmed) = (elsewhere.now(), Instant::now());
    harm(&proxy);
    elsewhere.until(fault + LOAD_IN_FAULT).await;
    let (elsewhere, at_home) = tokio::join!(elsewhere.stop(), at_home.stop());

    let ledger = Ledger::of(&at_home);
    println!(
        "{how}: callers elsewhere: {}",
        Outage::of(&elsewhere, fault)
    );
    println!(
        "{how}: its own callers: {}; {ledger}",
        Outage::of(&at_home, fault)
    );
    println!("{how}: its own callers by status: {:?}", statuses(&at_home));
    invariants::all_end_within(&elsewhere, BUDGET)?;
    invariants::all_end_within(&at_home, BUDGET)?;
    invariants::all_answer(&at_home, &[200, 503, 504])?;
    invariants::all_succeed(
        elsewhere
            .iter()
            .filter(|sample| sample.method == Method::GET),
    )?;
    invariants::all_succeed_after(&elsewhere, fault + SUSPICION_LIMIT)?;
    Ledger::of(&elsewhere).check(0, scene.count("/elsewhere").await?)?;
    let counted = scene.count("/own").await?;
    ledger.check(0, counted)?;

    anyhow::ensure!(
        harmed.elapsed() < FAULT,
        "the callers took {:?} to end",
        harmed.elapsed()
    );
    tokio::time::sleep_until((harmed + FAULT).into()).await;
    let healed = Instant::now();
    proxy.heal();
    // Heartbeats that lay in stalled connections arrive now. Calls sent on their word would be lost.
    scene.reads_at_once("/own").await?;
    scene
        .stays_at(&scene.url("/own"), counted, AFTERMATH)
        .await?;
    scene
        .succeeds(&own, REJOIN_LIMIT.saturating_sub(healed.elapsed()))
        .await?;
    println!(
        "{how}: its own callers succeed at most {:?} after it is healed",
        healed.elapsed()
    );
    let after = scene.is_ready(&["edge", "a", "b", "c"]).await?;
    scene
        .takes_calls("a", "component/counter/counter", &scene.url("/others"))
        .await?;
    let epoch = |status: &wrt_chaos_tests::LatticeStatus| status.node("a").map(|a| a.epoch);
    anyhow::ensure!(
        epoch(&before) == epoch(&after),
        "the node was started again"
    );
    Ok(())
}
