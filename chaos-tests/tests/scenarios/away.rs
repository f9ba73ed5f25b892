//! Load while a service that it needs is away.

use std::time::Duration;

use http::Method;
use wrt_chaos_tests::{
    Sample, Scene, invariants,
    load::Load,
    outage::{Outage, statuses},
};

/// Of each request.
pub const BUDGET: Duration = Duration::from_secs(2);

const PER_SECOND: u32 = 40;
const FAULT_AFTER: Duration = Duration::from_secs(1);
const FAULT: Duration = Duration::from_secs(3);

/// Of the errors, how many a guest must give in its interface's words where each takes until the end of
/// its time: one that a busy machine keeps from answering in what it has left is a 504.
pub const IN_WORDS_MIN: f64 = 0.9;

/// How soon everything works again, once the service does.
pub struct Recovery {
    /// From then on every request succeeds.
    pub limit: Duration,
    /// For how long is looked.
    pub watched: Duration,
}

/// What is asked for while something is away, and for how long.
pub struct Absence {
    pub per_second: u32,
    pub lasts: Duration,
    pub recovery: Recovery,
}

/// A load, and when something was away during it.
pub struct Away {
    pub samples: Vec<Sample>,
    pub fault: Duration,
    pub healed: Duration,
}

/// Of reads and increments of a counter, while a service is away that they need: some have failed.
pub async fn while_away(
    what: &str,
    scene: &Scene,
    recovery: Recovery,
    harm: impl Fn() -> anyhow::Result<()>,
    heal: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Sample>> {
    let requests = scene.reads_and_increments("/visits");
    let absence = Absence {
        per_second: PER_SECOND,
        lasts: FAULT,
        recovery,
    };
    let away = requests_while_away(what, scene, absence, requests, harm, heal).await?;
    some_fail(&away.samples)?;
    Ok(away.samples)
}

/// Sends requests, harms what they need for so long, heals it, and goes on; `what` names it all in the output.
/// Every request ends within its budget, and none fails after the recovery.
pub async fn requests_while_away(
    what: &str,
    scene: &Scene,
    absence: Absence,
    request: impl Fn(u64) -> (Method, String) + Send + 'static,
    harm: impl Fn() -> anyhow::Result<()>,
    heal: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Away> {
    let Absence {
        per_second,
        lasts,
        recovery,
    } = absence;
    let load = Load::start(&scene.client, per_second, request);
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    tokio::task::block_in_place(harm)?;
    load.until(fault + lasts).await;
    tokio::task::block_in_place(heal)?;
    let healed = load.now();
    load.until(healed + recovery.watched).await;
    let samples = load.stop().await;
    println!("{what} for {lasts:?}: {}", Outage::of(&samples, fault));
    let since = Outage::of(&samples, healed);
    println!("{what}: since it is back: {since}");
    println!("{what}: the answers by status: {:?}", statuses(&samples));
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_succeed_after(&samples, healed + recovery.limit)?;
    Ok(Away {
        samples,
        fault,
        healed,
    })
}

/// Whether the fault hurt: nothing was tested otherwise.
pub fn some_fail(samples: &[Sample]) -> anyhow::Result<()> {
    anyhow::ensure!(
        samples.iter().any(|sample| !sample.is_success()),
        "the fault did not hurt, so that nothing was tested"
    );
    Ok(())
}

/// Of the errors, the share that names the fault of the call: the guest has told it, in its interface's words.
pub fn share_in_words(samples: &[Sample]) -> f64 {
    let failed = samples.iter().filter(|sample| !sample.is_success());
    let told: Vec<bool> = failed
        .map(|sample| sample.outcome.text().contains("executed; hop "))
        .collect();
    told.iter().filter(|told| **told).count() as f64 / told.len() as f64
}
