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

use std::{
    any::Any,
    fmt::Write as _,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};

pub(crate) use fixture::Fixture;

use crate::KeyValue;

/// How long one case may take: far more than any needs.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// One thing that a provider does.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What it does, as a sentence without spaces.
    pub name: &'static str,
    /// Panics when the provider does not.
    pub run: fn(Fixture) -> BoxFuture<'static, ()>,
}

/// A list of cases from functions of the same names.
macro_rules! case_list {
    ($($case:ident),* $(,)?) => {
        pub(super) const CASES: &[crate::conformance::Case] = &[$(crate::conformance::Case {
            name: stringify!($case),
            run: |fixture| ::futures::FutureExt::boxed($case(fixture)),
        }),*];
    };
}
pub(crate) use case_list;

/// Every case.
pub fn cases() -> impl Iterator<Item = &'static Case> {
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

/// Runs every case, one after the other.
///
/// # Panics
/// When one has failed, after all have run: with the name and the reason of each that did.
pub async fn run(store: Arc<dyn KeyValue>) {
    run_cases(cases(), &store).await;
}

/// Runs every case over a provider that deduplicates for `time`, and those of its repetitions.
///
/// # Panics
/// As [`run`]; also when it remembers an answer for less than `time`, or for ever.
pub async fn run_deduplicating(store: Arc<dyn KeyValue>, time: Duration) {
    run_cases(cases().chain(repetitions::CASES), &store).await;
    let fixture = Fixture::new("an_answer_is_forgotten", store);
    repetitions::an_answer_is_forgotten_after_its_time(fixture, time).await;
}

async fn run_cases(cases: impl Iterator<Item = &'static Case>, store: &Arc<dyn KeyValue>) {
    let (mut failures, mut count) = (String::new(), 0);
    for case in cases {
        count += 1;
        let started = Instant::now();
        let outcome = outcome(case, Arc::clone(store)).await;
        tracing::info!(case = case.name, elapsed = ?started.elapsed(), ok = outcome.is_ok());
        if let Err(reason) = outcome {
            writeln!(failures, "- {}: {reason}", case.name).expect("a string takes any text");
        }
    }
    assert!(
        failures.is_empty(),
        "of {count} cases these failed:\n{failures}"
    );
}

async fn outcome(case: &Case, store: Arc<dyn KeyValue>) -> Result<(), String> {
    let run = AssertUnwindSafe((case.run)(Fixture::new(case.name, store))).catch_unwind();
    match tokio::time::timeout(CASE_LIMIT, run).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(text(&*panic)),
        Err(_elapsed) => Err(format!("not over after {CASE_LIMIT:?}")),
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let formatted = || panic.downcast_ref::<String>().cloned();
    literal
        .or_else(formatted)
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_case_that_panics_has_failed_with_its_words() {
        async fn fails(fixture: Fixture) {
            assert!(fixture.exists("absent").await, "on purpose");
        }
        case_list![fails];
        let store: Arc<dyn KeyValue> = Arc::new(crate::KeyValueDefault::default());
        assert_eq!(CASES[0].name, "fails");
        assert_eq!(
            outcome(&CASES[0], store).await,
            Err("on purpose".to_owned())
        );
    }
}
