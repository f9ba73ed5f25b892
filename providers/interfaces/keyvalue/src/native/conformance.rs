//! What every provider of the interface does, as code: one suite, run over the in-memory provider,
//! over the generated client and dispatcher, over each backend, and over a backend behind the bus.
//!
//! ```no_run
//! # async fn connect() -> wrt_keyvalue::KeyValueDefault { Default::default() }
//! # async fn example() {
//! wrt_keyvalue::conformance::run(std::sync::Arc::new(connect().await)).await;
//! # }
//! ```
//!
//! Each case has buckets of its own, with a random part in their names, so the suite may run several
//! times at once on a server that others use.

mod batches;
mod counters;
mod fixture;
mod listings;
mod names;
mod repetitions;
mod swaps;
mod values;

use std::{sync::Arc, time::Duration};

use wrt_conformance::run_cases;

pub(crate) use fixture::Fixture;

use crate::KeyValue;

/// One thing that a provider does.
pub(crate) type Case = wrt_conformance::Case<Fixture>;

/// Runs every case, one after the other.
///
/// # Panics
/// When one has failed, after all have run: with the name and the reason of each that did.
pub async fn run(store: Arc<dyn KeyValue>) {
    run_cases(cases(), fixture(&store)).await;
}

/// Runs every case over a provider that deduplicates for `time`, and those of its repetitions.
///
/// # Panics
/// As [`run`]; also when it remembers an answer for less than `time`, or for ever.
pub async fn run_deduplicating(store: Arc<dyn KeyValue>, time: Duration) {
    run_cases(cases().chain(repetitions::CASES), fixture(&store)).await;
    let fixture = Fixture::new("an_answer_is_forgotten", store);
    repetitions::an_answer_is_forgotten_after_its_time(fixture, time).await;
}

fn fixture(store: &Arc<dyn KeyValue>) -> impl Fn(&'static str) -> Fixture {
    |case| Fixture::new(case, Arc::clone(store))
}

fn cases() -> impl Iterator<Item = &'static Case> {
    [
        values::CASES,
        names::CASES,
        listings::CASES,
        counters::CASES,
        swaps::CASES,
        batches::CASES,
    ]
    .into_iter()
    .flatten()
}
