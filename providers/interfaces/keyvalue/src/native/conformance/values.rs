//! One key, one value.

use wrt_conformance::cases;

use super::{
    Case, Fixture,
    fixture::{bytes, context, key},
};
use crate::{
    KeyValueError, Limit,
    limits::{VALUE_BYTES_MAX, VALUE_BYTES_PORTABLE},
};

pub(super) const CASES: &[Case] = cases![
    a_key_that_does_not_exist,
    a_set_key_is_read_and_replaced,
    an_empty_value_is_a_value,
    any_bytes_come_back,
    a_large_value_comes_back,
    a_value_over_the_limit_is_refused,
    a_deleted_key_does_not_exist,
    many_writers_of_many_keys,
];

async fn a_key_that_does_not_exist(store: Fixture) {
    assert_eq!(store.get("absent").await, None);
    assert!(!store.exists("absent").await);
    store.delete("absent").await;
    assert!(!store.exists("absent").await, "a delete creates nothing");
}

async fn a_set_key_is_read_and_replaced(store: Fixture) {
    for value in ["one", "two", "a longer three"] {
        store.set("key", value).await;
        assert_eq!(store.get("key").await, Some(bytes(value)));
        assert!(store.exists("key").await);
    }
}

async fn an_empty_value_is_a_value(store: Fixture) {
    store.set("key", "").await;
    assert_eq!(store.get("key").await, Some(bytes("")));
    assert!(store.exists("key").await);
    assert_eq!(store.list().await, ["key"]);
}

async fn any_bytes_come_back(store: Fixture) {
    let value: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    store.set("key", &value).await;
    assert_eq!(store.get("key").await, Some(bytes(value)));
}

async fn a_large_value_comes_back(store: Fixture) {
    let value: Vec<u8> = (0..VALUE_BYTES_PORTABLE)
        .map(|at| (at % 251) as u8)
        .collect();
    store.set("key", &value).await;
    assert!(
        store.get("key").await == Some(bytes(&value)),
        "it has changed"
    );
}

async fn a_value_over_the_limit_is_refused(store: Fixture) {
    let refused = KeyValueError::OverLimit {
        limit: Limit::ValueBytes,
        actual: VALUE_BYTES_MAX as u64 + 1,
        max: VALUE_BYTES_MAX as u64,
    };
    let value = bytes(vec![0; VALUE_BYTES_MAX + 1]);
    let (bucket, key) = (&store.bucket, key("key"));
    let set = store
        .store
        .set(&context(), bucket, &key, value.clone())
        .await;
    assert_eq!(set, Err(refused.clone()));
    let version = store.read("key").await.version;
    let swap = store
        .store
        .swap(&context(), bucket, &key, &version, value.clone())
        .await;
    assert_eq!(swap, Err(refused.clone()));
    let set_many = store
        .store
        .set_many(&context(), bucket, &[(key, value)])
        .await;
    assert_eq!(set_many, Err(refused));
    assert!(!store.exists("key").await);
}

async fn a_deleted_key_does_not_exist(store: Fixture) {
    store.set("key", "one").await;
    store.delete("key").await;
    assert_eq!(store.get("key").await, None);
    assert!(!store.exists("key").await);
    store.delete("key").await;
    store.set("key", "two").await;
    assert_eq!(store.get("key").await, Some(bytes("two")));
}

async fn many_writers_of_many_keys(store: Fixture) {
    let write = |number: usize| {
        let store = store.clone();
        async move {
            let name = format!("key-{number}");
            store.set(&name, &name).await;
            assert_eq!(store.get(&name).await, Some(bytes(&name)));
        }
    };
    futures::future::join_all((0..100).map(write)).await;
    assert_eq!(store.list().await.len(), 100);
}
