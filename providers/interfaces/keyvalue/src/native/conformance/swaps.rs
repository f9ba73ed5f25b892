//! Compare and swap.

use wrt_conformance::cases;

use super::{Case, Fixture, fixture::bytes};
use crate::{
    SwapOutcome::{Failed, Swapped},
    limits::VALUE_BYTES_PORTABLE,
};

pub(super) const CASES: &[Case] = cases![
    a_swap_of_an_unchanged_key,
    a_swap_creates_a_key,
    a_swap_after_any_change_fails,
    an_empty_value_is_not_an_absent_one,
    a_swap_of_a_large_value,
    of_concurrent_swaps_one_wins,
    no_update_is_lost,
];

async fn a_swap_of_an_unchanged_key(store: Fixture) {
    store.set("key", "one").await;
    let read = store.read("key").await;
    assert_eq!(read.value, Some(bytes("one")));
    assert_eq!(
        store.read("key").await.value,
        read.value,
        "reading changes nothing"
    );
    assert_eq!(store.swap("key", &read.version, "two").await, Swapped);
    assert_eq!(store.get("key").await, Some(bytes("two")));
    assert_eq!(store.swap("key", &read.version, "three").await, Failed);
    assert_eq!(store.get("key").await, Some(bytes("two")));
    let read = store.read("key").await;
    assert_eq!(read.value, Some(bytes("two")));
    assert_eq!(store.swap("key", &read.version, "four").await, Swapped);
}

async fn a_swap_creates_a_key(store: Fixture) {
    let read = store.read("key").await;
    assert_eq!(read.value, None);
    assert_eq!(store.swap("key", &read.version, "one").await, Swapped);
    assert_eq!(store.get("key").await, Some(bytes("one")));
    assert_eq!(store.swap("key", &read.version, "two").await, Failed);
    store.delete("key").await;
    let read = store.read("key").await;
    assert_eq!(read.value, None);
    assert_eq!(
        store.swap("key", &read.version, "three").await,
        Swapped,
        "after a delete"
    );
    assert_eq!(store.get("key").await, Some(bytes("three")));
}

async fn a_swap_after_any_change_fails(store: Fixture) {
    store.set("key", "one").await;
    let version = store.read("key").await.version;
    store.set("key", "other").await;
    assert_eq!(
        store.swap("key", &version, "two").await,
        Failed,
        "after a set"
    );

    let version = store.read("key").await.version;
    store.delete("key").await;
    assert_eq!(
        store.swap("key", &version, "two").await,
        Failed,
        "after a delete"
    );
    assert!(!store.exists("key").await);

    let version = store.read("key").await.version;
    store.set("key", "born").await;
    assert_eq!(
        store.swap("key", &version, "two").await,
        Failed,
        "after a creation"
    );

    store.set("key", "7").await;
    let version = store.read("key").await.version;
    store.increment("key", 1).await.expect("increment");
    assert_eq!(
        store.swap("key", &version, "two").await,
        Failed,
        "after an increment"
    );
    assert_eq!(store.get("key").await, Some(bytes("8")));
}

async fn an_empty_value_is_not_an_absent_one(store: Fixture) {
    let absent = store.read("key").await;
    store.set("key", "").await;
    assert_eq!(store.swap("key", &absent.version, "value").await, Failed);
    let empty = store.read("key").await;
    assert_eq!(empty.value, Some(bytes("")));
    store.delete("key").await;
    assert_eq!(store.swap("key", &empty.version, "value").await, Failed);
    assert!(!store.exists("key").await);
}

async fn a_swap_of_a_large_value(store: Fixture) {
    let value = vec![7; VALUE_BYTES_PORTABLE];
    store.set("key", &value).await;
    let read = store.read("key").await;
    let mut other = value.clone();
    other[VALUE_BYTES_PORTABLE / 2] = 8;
    assert_eq!(store.swap("key", &read.version, &other).await, Swapped);
    assert_eq!(store.swap("key", &read.version, &value).await, Failed);
    assert!(
        store.get("key").await == Some(bytes(other)),
        "it has changed"
    );
}

async fn of_concurrent_swaps_one_wins(store: Fixture) {
    for round in 0..10 {
        // Absent in the first round, present later.
        let version = store.read("key").await.version;
        let swap = |number: usize| {
            let (store, version) = (store.clone(), version.clone());
            async move {
                store
                    .swap("key", &version, format!("{round}-{number}"))
                    .await
            }
        };
        let outcomes = futures::future::join_all((0..20).map(swap)).await;
        let winners: Vec<_> = (0..20).filter(|at| outcomes[*at] == Swapped).collect();
        let [winner] = winners[..] else {
            panic!("round {round} has the winners {winners:?}");
        };
        assert_eq!(
            store.get("key").await,
            Some(bytes(format!("{round}-{winner}")))
        );
    }
}

async fn no_update_is_lost(store: Fixture) {
    let work = |writer: usize| {
        let store = store.clone();
        async move {
            for step in 0..10 {
                loop {
                    let read = store.read("log").await;
                    let mut value = read.value.unwrap_or_default().to_vec();
                    value.extend_from_slice(format!("{writer}.{step} ").as_bytes());
                    if store.swap("log", &read.version, value).await == Swapped {
                        break;
                    }
                }
            }
        }
    };
    futures::future::join_all((0..10).map(work)).await;
    let log = store.get("log").await.expect("the log exists");
    let log = String::from_utf8(log.to_vec()).expect("the log is text");
    let mut entries: Vec<_> = log.split_whitespace().collect();
    assert_eq!(entries.len(), 100);
    entries.sort_unstable();
    entries.dedup();
    assert_eq!(entries.len(), 100);
}
