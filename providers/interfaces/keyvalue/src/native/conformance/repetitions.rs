//! Keyed operations that come again, at a provider that deduplicates.

use std::time::{Duration, Instant};
use wrt_conformance::cases;

use wrt_contract::CallContext;

use super::{Case, Fixture, fixture::bytes};
use crate::{
    KeyValueError::{CounterOverflow, NotAnInteger},
    SwapOutcome::{Failed, Swapped},
};

pub(super) const CASES: &[Case] = cases![
    an_increment_that_comes_again_counts_once,
    a_first_sum_outlives_other_writers,
    a_first_error_is_given_again,
    a_swap_that_comes_again_is_not_failed_by_itself,
    a_failed_swap_stays_failed,
    concurrent_repetitions_count_once,
    operations_under_keys_of_their_own_all_count,
    writers_without_a_key_lose_nothing,
];

/// The same operation again: one key, another attempt.
fn again(first: &CallContext, attempt: u32) -> CallContext {
    let key = first.key().expect("it is the context of an operation");
    CallContext::default().with_attempt(key, attempt)
}

fn operation() -> CallContext {
    CallContext::default().for_operation()
}

async fn an_increment_that_comes_again_counts_once(store: Fixture) {
    let first = operation();
    assert_eq!(store.increment_as(&first, "n", 5).await, Ok(5));
    for attempt in 2..5 {
        let sum = store.increment_as(&again(&first, attempt), "n", 5).await;
        assert_eq!(sum, Ok(5), "attempt {attempt}");
    }
    assert_eq!(store.get("n").await, Some(bytes("5")));
    let beyond_a_float = (1_i64 << 53) + 1;
    let large = operation();
    for attempt in 1..3 {
        let context = again(&large, attempt);
        let sum = store.increment_as(&context, "large", beyond_a_float).await;
        assert_eq!(sum, Ok(beyond_a_float));
    }
}

async fn a_first_sum_outlives_other_writers(store: Fixture) {
    for (at, writer) in [
        "increment",
        "set",
        "set-many",
        "swap",
        "delete",
        "delete-many",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("n{at}");
        let first = operation();
        assert_eq!(store.increment_as(&first, &name, 5).await, Ok(5));
        let key = super::fixture::key(&name);
        match writer {
            "increment" => assert_eq!(store.increment(&name, 2).await, Ok(7)),
            "set" => store.set(&name, "7").await,
            "set-many" => store.set_many(&[(key, bytes("7"))]).await,
            "swap" => {
                let version = store.read(&name).await.version;
                assert_eq!(store.swap(&name, &version, "7").await, Swapped);
            }
            "delete" => store.delete(&name).await,
            _ => store.delete_many(&[key]).await,
        }
        let then = store.get(&name).await;
        for attempt in 2..4 {
            let sum = store.increment_as(&again(&first, attempt), &name, 5).await;
            assert_eq!(sum, Ok(5), "after {writer}");
            assert_eq!(store.get(&name).await, then, "after {writer}");
        }
    }
}

async fn a_first_error_is_given_again(store: Fixture) {
    for (value, error) in [
        ("x", NotAnInteger),
        (&*i64::MAX.to_string(), CounterOverflow),
    ] {
        store.set("n", value).await;
        let first = operation();
        let sum = store.increment_as(&first, "n", 1).await;
        assert_eq!(sum, Err(error.clone()));
        assert_eq!(store.get("n").await, Some(bytes(value)), "it stays");
        store.set("n", "1").await;
        let sum = store.increment_as(&again(&first, 2), "n", 1).await;
        assert_eq!(sum, Err(error));
        assert_eq!(store.get("n").await, Some(bytes("1")));
    }
}

async fn a_swap_that_comes_again_is_not_failed_by_itself(store: Fixture) {
    store.set("key", "one").await;
    let version = store.read("key").await.version;
    let first = operation();
    assert_eq!(store.swap_as(&first, "key", &version, "two").await, Swapped);
    let repeated = again(&first, 2);
    let outcome = store.swap_as(&repeated, "key", &version, "two").await;
    assert_eq!(outcome, Swapped);
    store.set("key", "three").await;
    store.delete("key").await;
    let repeated = again(&first, 3);
    let outcome = store.swap_as(&repeated, "key", &version, "two").await;
    assert_eq!(outcome, Swapped);
    assert_eq!(store.get("key").await, None, "and changes nothing again");
}

async fn a_failed_swap_stays_failed(store: Fixture) {
    store.set("key", "one").await;
    let version = store.read("key").await.version;
    store.set("key", "two").await;
    let first = operation();
    assert_eq!(store.swap_as(&first, "key", &version, "x").await, Failed);
    // A provider that compares values would find this one unchanged.
    store.set("key", "one").await;
    let repeated = again(&first, 2);
    assert_eq!(store.swap_as(&repeated, "key", &version, "x").await, Failed);
    assert_eq!(store.get("key").await, Some(bytes("one")));
}

async fn concurrent_repetitions_count_once(store: Fixture) {
    let first = operation();
    let call = |attempt| {
        let (store, context) = (store.clone(), again(&first, attempt));
        async move { store.increment_as(&context, "n", 3).await }
    };
    let others = (0..10).map(|_| store.increment("n", 1));
    let (sums, _others) = futures::future::join(
        futures::future::join_all((1..11).map(call)),
        futures::future::join_all(others),
    )
    .await;
    let sum = sums[0].clone().expect("increment");
    assert!(
        sums.iter().all(|other| *other == Ok(sum)),
        "one answer: {sums:?}"
    );
    assert_eq!(store.get("n").await, Some(bytes("13")));
}

async fn operations_under_keys_of_their_own_all_count(store: Fixture) {
    let call = |_| {
        let store = store.clone();
        async move { store.increment_as(&operation(), "n", 1).await }
    };
    let sums = futures::future::join_all((0..50).map(call)).await;
    let mut sums: Vec<_> = sums.into_iter().map(|sum| sum.expect("sum")).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=50).collect::<Vec<_>>());
}

async fn writers_without_a_key_lose_nothing(store: Fixture) {
    let context = CallContext::default();
    for sum in 1..4 {
        assert_eq!(store.increment_as(&context, "n", 1).await, Ok(sum));
    }
    let sets = (0..10).map(|at| {
        let (store, name) = (store.clone(), format!("{}", at % 2));
        async move { store.set(&name, "x").await }
    });
    futures::future::join_all(sets).await;
    assert_eq!(store.list().await, ["0", "1", "n"]);
    store.delete("n").await;
    assert_eq!(store.increment_as(&context, "n", 1).await, Ok(1));
}

/// Not one of the cases: only where the time is short.
pub(super) async fn an_answer_is_forgotten_after_its_time(store: Fixture, time: Duration) {
    let first = operation();
    assert_eq!(store.increment_as(&first, "n", 1).await, Ok(1));
    assert_eq!(store.increment("n", 1).await, Ok(2));
    let (started, limit) = (Instant::now(), time + Duration::from_secs(10));
    loop {
        match store.increment_as(&again(&first, 2), "n", 1).await {
            Ok(1) => assert!(started.elapsed() < limit, "it is remembered for ever"),
            Ok(3) => break,
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kept = started.elapsed() + Duration::from_millis(100);
    assert!(kept >= time, "forgotten after {kept:?}");
}
