//! What every provider of the interface does, as code: one suite, run over the in-memory provider,
//! over the generated client and dispatcher, over each backend, and over a backend behind the bus.
//!
//! ```no_run
//! # async fn connect() -> wrt_keyvalue::MemoryKeyValue { Default::default() }
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
mod swaps;
mod values;

use std::sync::Arc;

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
    let cases = [
        values::CASES,
        names::CASES,
        listings::CASES,
        counters::CASES,
        swaps::CASES,
        batches::CASES,
    ];
    let fixture = |case| Fixture::new(case, Arc::clone(&store));
    run_cases(cases.into_iter().flatten(), fixture).await;
}
