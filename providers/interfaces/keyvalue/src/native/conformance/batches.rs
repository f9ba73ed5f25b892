//! Several keys at once.

use bytes::Bytes;

use wrt_conformance::cases;

use super::{
    Case, Fixture,
    fixture::{bytes, context, key},
};
use crate::{
    Key, KeyValueError, Limit,
    limits::{BATCH_BYTES_MAX, BATCH_KEYS_MAX, VALUE_BYTES_MAX},
};

pub(super) const CASES: &[Case] = cases![
    get_many_keeps_positions,
    set_many_sets_and_replaces,
    delete_many_skips_what_does_not_exist,
    batches_of_nothing,
    the_largest_batches,
    batches_over_the_limit_are_refused,
];

async fn get_many(store: &Fixture, keys: &[Key]) -> Vec<Option<Bytes>> {
    let values = store.store.get_many(&context(), &store.bucket, keys).await;
    values.unwrap_or_else(|error| panic!("get {} keys: {error}", keys.len()))
}

async fn get_many_keeps_positions(store: Fixture) {
    store.set("a", "1").await;
    store.set("c", "").await;
    let keys = ["absent", "c", "b", "a", "a", "*"].map(key);
    let values = get_many(&store, &keys).await;
    let (one, empty) = (Some(bytes("1")), Some(bytes("")));
    assert_eq!(values, [None, empty, None, one.clone(), one, None]);
}

async fn set_many_sets_and_replaces(store: Fixture) {
    store.set("a", "old").await;
    let entries = ["a", "b", "a:b", "*"].map(|name| (key(name), bytes(name)));
    store.set_many(&entries).await;
    for (key, value) in &entries {
        assert_eq!(
            store.get(key.as_str()).await.as_ref(),
            Some(value),
            "{key:?}"
        );
    }
    assert_eq!(store.list().await, ["*", "a", "a:b", "b"]);
}

async fn delete_many_skips_what_does_not_exist(store: Fixture) {
    store
        .set_many(&["a", "b", "c"].map(|name| (key(name), bytes(name))))
        .await;
    let keys = ["absent", "a", "c", "a", "*"].map(key);
    store
        .store
        .delete_many(&context(), &store.bucket, &keys)
        .await
        .expect("delete many");
    assert_eq!(store.list().await, ["b"]);
}

async fn batches_of_nothing(store: Fixture) {
    assert!(get_many(&store, &[]).await.is_empty());
    store.set_many(&[]).await;
    store
        .store
        .delete_many(&context(), &store.bucket, &[])
        .await
        .expect("delete nothing");
}

async fn the_largest_batches(store: Fixture) {
    let entries: Vec<_> = (0..BATCH_KEYS_MAX)
        .map(|number| (key(&format!("key-{number}")), bytes(number.to_string())))
        .collect();
    store.set_many(&entries).await;
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.clone()).collect();
    let values = get_many(&store, &keys).await;
    let expected: Vec<_> = entries.into_iter().map(|(_, value)| Some(value)).collect();
    assert_eq!(values, expected);
    store
        .store
        .delete_many(&context(), &store.bucket, &keys)
        .await
        .expect("delete many");
    assert!(store.list().await.is_empty());
}

async fn batches_over_the_limit_are_refused(store: Fixture) {
    let refused = KeyValueError::OverLimit {
        limit: Limit::BatchKeys,
        actual: BATCH_KEYS_MAX as u64 + 1,
        max: BATCH_KEYS_MAX as u64,
    };
    let keys = vec![key("key"); BATCH_KEYS_MAX + 1];
    let got = store.store.get_many(&context(), &store.bucket, &keys).await;
    assert_eq!(got, Err(refused.clone()));
    let deleted = store
        .store
        .delete_many(&context(), &store.bucket, &keys)
        .await;
    assert_eq!(deleted, Err(refused.clone()));
    let entries = vec![(key("key"), bytes("value")); BATCH_KEYS_MAX + 1];
    let set = store
        .store
        .set_many(&context(), &store.bucket, &entries)
        .await;
    assert_eq!(set, Err(refused));

    let large = bytes(vec![0; VALUE_BYTES_MAX]);
    let entries = ["a", "b", "c"].map(|name| (key(name), large.clone()));
    let set = store
        .store
        .set_many(&context(), &store.bucket, &entries)
        .await;
    let refused = KeyValueError::OverLimit {
        limit: Limit::BatchBytes,
        actual: 3 * (VALUE_BYTES_MAX as u64 + 1),
        max: BATCH_BYTES_MAX as u64,
    };
    assert_eq!(set, Err(refused));
    assert!(store.list().await.is_empty());
}
