//! What is there of telemetry, and what was counted as lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use http::Method;
use serde_json::Value as Json;
use wrt_chaos_tests::Scene;
use wrt_test_servers::OtelCollector;

use super::{ABSENCE, Away};

/// How long the provider lets a batch wait.
pub const DELAY: Duration = Duration::from_millis(100);
/// What else it takes until a record is with the collector.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// Spans `order` and `reserve`, and a log.
const RECORDS_OF_EACH: usize = 3;
/// What was lost is counted when its time to get to the provider is over.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// What a node says of records that it could not hand on.
const LOST: &str = "wrt_telemetry_guest_records_lost_total ";

/// Records, by the trace that they are of.
type Records = BTreeMap<String, BTreeSet<String>>;

/// How many records the provider may have had in hand when its node was killed: what was said since the batch before.
pub fn in_hand_when_killed(away: &Away) -> usize {
    let (from, until) = (away.fault.saturating_sub(DELAY + ON_ITS_WAY), away.fault);
    let samples = away.samples.iter();
    let in_hand = samples.filter(|sample| sample.ended() >= from && sample.due <= until);
    RECORDS_OF_EACH * in_hand.count()
}

/// Waits until what is missing is no more than what was counted as lost, and `bound`. Of what was said long before
/// and since nothing is missing.
pub async fn is_accounted_for(
    scene: &Scene,
    collector: &OtelCollector,
    metrics: &str,
    away: &Away,
    bound: usize,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let lost = lost(scene, metrics).await?;
        let there = taken(collector)?;
        let missing = |trace: &String| {
            RECORDS_OF_EACH.saturating_sub(there.get(trace).map_or(0, BTreeSet::len))
        };
        let (mut all, mut spared) = (0, 0);
        for sample in &away.samples {
            let of_sample = missing(&sample.outcome.text().into_owned());
            all += of_sample;
            let is_long_before = sample.ended() + DELAY + ON_ITS_WAY < away.fault;
            let is_since = sample.due > away.healed + ABSENCE.recovery.limit;
            spared += if is_long_before || is_since {
                of_sample
            } else {
                0
            };
        }
        if all <= lost + bound && spared == 0 {
            println!(
                "telemetry: {all} records are missing, {lost} counted as lost, {bound} in hand"
            );
            anyhow::ensure!(lost > 0, "nothing was lost, so that nothing was tested");
            return Ok(());
        }
        anyhow::ensure!(
            began.elapsed() < SETTLE_LIMIT,
            "{all} records are missing, {spared} of them for no reason; {lost} are counted as lost, \
             and at most {bound} were in hand"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many records the component's node has counted as lost.
async fn lost(scene: &Scene, metrics: &str) -> anyhow::Result<usize> {
    let url = format!("http://{metrics}/metrics");
    let told = scene.client.send(Method::GET, &url).await;
    let text = told.text();
    let line = text.lines().find_map(|line| line.strip_prefix(LOST));
    Ok(line
        .with_context(|| format!("no {LOST}: {told:?}"))?
        .parse()?)
}

/// What the collector has. What came twice is there once.
fn taken(collector: &OtelCollector) -> anyhow::Result<Records> {
    let mut records = Records::new();
    for line in collector.taken()? {
        let line: Json = serde_json::from_str(&line)?;
        for (kind, scopes, list) in [
            ("resourceSpans", "scopeSpans", "spans"),
            ("resourceLogs", "scopeLogs", "logRecords"),
        ] {
            let of = |json: &Json, name: &str| json[name].as_array().cloned().unwrap_or_default();
            let scopes = of(&line, kind).into_iter().flat_map(|it| of(&it, scopes));
            for record in scopes.flat_map(|it| of(&it, list)) {
                let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                let record = format!("{kind} {}", text("spanId"));
                records.entry(text("traceId")).or_default().insert(record);
            }
        }
    }
    Ok(records)
}
