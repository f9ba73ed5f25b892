//! Increment.

use wrt_conformance::cases;

use super::{Case, Fixture, fixture::bytes};
use crate::KeyValueError;

pub(super) const CASES: &[Case] = cases![
    increment_creates_and_adds,
    increment_and_set_speak_the_same_text,
    a_value_that_is_no_integer_stays,
    an_overflow_is_an_error,
    concurrent_increments_all_count,
];

async fn increment_creates_and_adds(store: Fixture) {
    assert_eq!(store.increment("counter", 5).await, Ok(5));
    assert_eq!(store.increment("counter", 0).await, Ok(5));
    assert_eq!(store.increment("counter", -7).await, Ok(-2));
    assert_eq!(store.increment("zero", 0).await, Ok(0));
    assert_eq!(store.get("zero").await, Some(bytes("0")));
    store.delete("counter").await;
    assert_eq!(store.increment("counter", 1).await, Ok(1));
}

async fn increment_and_set_speak_the_same_text(store: Fixture) {
    assert_eq!(store.increment("counter", 41).await, Ok(41));
    assert_eq!(store.get("counter").await, Some(bytes("41")));
    store.set("counter", "-100").await;
    assert_eq!(store.increment("counter", 1).await, Ok(-99));
    assert_eq!(store.get("counter").await, Some(bytes("-99")));
}

async fn a_value_that_is_no_integer_stays(store: Fixture) {
    let values: [&[u8]; 9] = [
        b"",
        b"x",
        b"1.5",
        b"01",
        b"+1",
        b" 1",
        b"1\n",
        b"\xff\xfe",
        b"99999999999999999999",
    ];
    for value in values {
        store.set("key", value).await;
        let sum = store.increment("key", 1).await;
        assert_eq!(sum, Err(KeyValueError::NotAnInteger), "{value:?}");
        assert_eq!(store.get("key").await, Some(bytes(value)));
    }
}

async fn an_overflow_is_an_error(store: Fixture) {
    for (start, delta) in [
        (i64::MAX, 1),
        (i64::MIN, -1),
        (i64::MIN, i64::MIN),
        (1, i64::MAX),
    ] {
        store.set("counter", start.to_string()).await;
        let sum = store.increment("counter", delta).await;
        assert_eq!(
            sum,
            Err(KeyValueError::CounterOverflow),
            "{start} + {delta}"
        );
        assert_eq!(store.get("counter").await, Some(bytes(start.to_string())));
    }
    assert_eq!(store.increment("lowest", i64::MIN).await, Ok(i64::MIN));
    assert_eq!(store.increment("lowest", i64::MAX).await, Ok(-1));
}

async fn concurrent_increments_all_count(store: Fixture) {
    let increments = (0..100).map(|_| store.increment("counter", 1));
    let sums = futures::future::join_all(increments).await;
    let mut sums: Vec<_> = sums
        .into_iter()
        .map(|sum| sum.expect("increment"))
        .collect();
    sums.sort_unstable();
    assert_eq!(
        sums,
        (1..=100).collect::<Vec<_>>(),
        "each sum is seen by one caller"
    );
    assert_eq!(store.get("counter").await, Some(bytes("100")));
}
