//! Runs the conformance suite of an interface: what every provider of it does, as code.
//!
//! A suite is a list of [`Case`]s, each an async function over a fixture of the interface's own. It
//! lives beside the interface's trait, so that whoever writes a provider, in this workspace or out of
//! it, has it as well.
//!
//! ```
//! use std::sync::Arc;
//!
//! use wrt_conformance::{Case, cases, run_cases, unique_name};
//!
//! # trait Stack: Send + Sync { fn top(&self, of: &str) -> Option<u8>; }
//! # struct Memory; impl Stack for Memory { fn top(&self, _: &str) -> Option<u8> { None } }
//! /// What a case works with.
//! struct Fixture {
//!     stack: Arc<dyn Stack>,
//!     name: String,
//! }
//!
//! const CASES: &[Case<Fixture>] = cases![a_new_stack_is_empty];
//!
//! async fn a_new_stack_is_empty(fixture: Fixture) {
//!     assert_eq!(fixture.stack.top(&fixture.name), None);
//! }
//!
//! /// Runs every case.
//! pub async fn run(stack: Arc<dyn Stack>) {
//!     let fixture = |case| Fixture { stack: Arc::clone(&stack), name: unique_name(case, 64) };
//!     run_cases(CASES, fixture).await;
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
//! #     .block_on(run(Arc::new(Memory)));
//! ```
//!
//! Invariants:
//! - a case that panics or does not end has failed, and the others run all the same;
//! - cases share nothing but the provider, so that a suite may run several times at once on a service
//!   that others use.

use std::{
    any::Any,
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};

/// How long one case may take: far more than any needs.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// One thing that a provider does, shown with a fixture `F`; made with [`cases!`].
#[derive(Debug)]
pub struct Case<F> {
    /// What it does, as a sentence without spaces.
    pub name: &'static str,
    /// Panics when the provider does not.
    pub run: fn(F) -> BoxFuture<'static, ()>,
}

/// A list of [`Case`]s from async functions of the same names, each of which takes a fixture.
#[macro_export]
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        &[$($crate::Case {
            name: stringify!($case),
            run: |fixture| ::std::boxed::Box::pin($case(fixture)),
        }),*]
    };
}

/// A suite whose cases work with the provider itself: its `run`, which runs each of them.
///
/// ```
/// # trait Stack: Send + Sync { fn top(&self, of: &str) -> Option<u8>; }
/// use std::sync::Arc;
///
/// wrt_conformance::suite!(Arc<dyn Stack>: a_new_stack_is_empty);
///
/// async fn a_new_stack_is_empty(stack: Arc<dyn Stack>) {
///     assert_eq!(stack.top("anything"), None);
/// }
/// # struct Memory; impl Stack for Memory { fn top(&self, _: &str) -> Option<u8> { None } }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
/// #     .block_on(run(Arc::new(Memory)));
/// ```
#[macro_export]
macro_rules! suite {
    ($provider:ty: $($case:ident),+ $(,)?) => {
        /// Runs every case.
        ///
        /// # Panics
        /// With the cases that failed.
        pub async fn run(provider: $provider) {
            $crate::run_cases($crate::cases![$($case),+], |_case| {
                ::std::clone::Clone::clone(&provider)
            })
            .await;
        }
    };
}

/// Runs every case, one after the other, with a fixture that is made from its name.
///
/// # Panics
/// When one has failed, after all have run: with the name and the reason of each that did.
pub async fn run_cases<'a, F: 'static>(
    cases: impl IntoIterator<Item = &'a Case<F>>,
    fixture: impl Fn(&'static str) -> F,
) {
    let (mut failures, mut count) = (String::new(), 0);
    for case in cases {
        count += 1;
        let started = Instant::now();
        let outcome = outcome((case.run)(fixture(case.name))).await;
        tracing::info!(case = case.name, elapsed = ?started.elapsed(), ok = outcome.is_ok());
        if let Err(reason) = outcome {
            writeln!(failures, "- {}: {reason}", case.name).expect("a string takes any text");
        }
    }
    assert!(count > 0, "a suite without cases shows nothing");
    assert!(
        failures.is_empty(),
        "of {count} cases these failed:\n{failures}"
    );
}

/// Waits for a test; what it panicked with, or that it did not end in a minute, is its error.
async fn outcome(test: BoxFuture<'static, ()>) -> Result<(), String> {
    match tokio::time::timeout(CASE_LIMIT, AssertUnwindSafe(test).catch_unwind()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(panic_text(&*panic)),
        Err(_elapsed) => Err(format!("not over after {CASE_LIMIT:?}")),
    }
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let formatted = || panic.downcast_ref::<String>().cloned();
    literal
        .or_else(formatted)
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// A name for what a case makes at the service, which no other run of it has; at most `bytes_max` long,
/// of which 17 are not the case's.
#[must_use]
pub fn unique_name(case: &str, bytes_max: usize) -> String {
    let random = RandomState::new().hash_one(case);
    let mut name = format!("{random:016x}-{case}");
    name.truncate(bytes_max);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn holds(_: ()) {}

    async fn fails((): ()) {
        panic!("on purpose");
    }

    async fn never_ends(_: ()) {
        std::future::pending().await
    }

    const CASES: &[Case<()>] = cases![fails, holds, never_ends];

    async fn run(cases: &'static [Case<()>]) -> Result<(), String> {
        let run = AssertUnwindSafe(run_cases(cases, |_| ())).catch_unwind();
        run.await.map_err(|panic| panic_text(&*panic))
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_told_after_all_have_run() {
        let expected =
            "of 3 cases these failed:\n- fails: on purpose\n- never_ends: not over after 60s\n";
        assert_eq!(run(CASES).await, Err(expected.to_owned()));
        assert_eq!(run(&CASES[1..2]).await, Ok(()));
    }

    #[tokio::test]
    async fn a_suite_without_cases_fails() {
        assert!(run(&[]).await.is_err());
    }

    #[test]
    fn a_name_is_of_one_run() {
        let [one, other] = [(); 2].map(|()| unique_name("a_case_with_a_long_name", 32));
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.contains("-a_case"), "{one}");
    }
}
