//! Load on the counter while a service that it needs is away.

use std::time::Duration;

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

/// How soon everything works again, once the service does.
pub struct Recovery {
    /// From then on every request succeeds.
    pub limit: Duration,
    /// For how long is looked.
    pub watched: Duration,
}

/// Sends reads and increments, harms the service, heals it, and goes on; `what` names it all in the output.
/// Every request ends within its budget, some have failed, and none fails after the recovery.
pub async fn while_away(
    what: &str,
    scene: &Scene,
    recovery: Recovery,
    harm: impl Fn() -> anyhow::Result<()>,
    heal: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Sample>> {
    let load = Load::start(
        &scene.client,
        PER_SECOND,
        scene.reads_and_increments("/visits"),
    );
    load.until(FAULT_AFTER).await;
    let fault = load.now();
    tokio::task::block_in_place(harm)?;
    load.until(fault + FAULT).await;
    tokio::task::block_in_place(heal)?;
    let healed = load.now();
    load.until(healed + recovery.watched).await;
    let samples = load.stop().await;
    println!("{what} for {FAULT:?}: {}", Outage::of(&samples, fault));
    let since = Outage::of(&samples, healed);
    println!("{what}: since it is back: {since}");
    println!("{what}: the answers by status: {:?}", statuses(&samples));
    invariants::all_end_within(&samples, BUDGET)?;
    invariants::all_succeed_after(&samples, healed + recovery.limit)?;
    anyhow::ensure!(
        samples.iter().any(|sample| !sample.is_success()),
        "the fault did not hurt, so that nothing was tested"
    );
    Ok(samples)
}
