//! Pages of keys.

use std::collections::BTreeSet;

use wrt_conformance::cases;

use super::{
    Case, Fixture,
    fixture::{bytes, context, key},
};
use crate::{Cursor, KeyValueError, limits::BATCH_KEYS_MAX};

pub(super) const CASES: &[Case] = cases![
    an_empty_bucket_has_no_keys,
    names_come_without_prefix,
    a_cursor_ends_and_no_key_is_missed,
    a_deleted_key_is_not_listed,
    a_key_that_stays_is_listed_whatever_else_changes,
    a_cursor_from_nowhere_does_no_harm,
];

/// More than fit on two pages.
const MANY: usize = 2 * BATCH_KEYS_MAX + 345;

async fn many_keys(store: &Fixture) -> Vec<String> {
    let names: Vec<_> = (0..MANY).map(|number| format!("key:{number:05}")).collect();
    for names in names.chunks(BATCH_KEYS_MAX) {
        let entries: Vec<_> = names.iter().map(|name| (key(name), bytes(name))).collect();
        store.set_many(&entries).await;
    }
    names
}

async fn an_empty_bucket_has_no_keys(store: Fixture) {
    assert!(store.list().await.is_empty());
    store.set("key", "value").await;
    store.delete("key").await;
    assert!(store.list().await.is_empty());
}

async fn names_come_without_prefix(store: Fixture) {
    store.set("one", "1").await;
    store.set("two", "2").await;
    assert_eq!(store.list().await, ["one", "two"]);
}

async fn a_cursor_ends_and_no_key_is_missed(store: Fixture) {
    let names = many_keys(&store).await;
    let mut listed = store.list().await;
    listed.dedup();
    assert_eq!(listed.len(), names.len());
    assert_eq!(listed, names);
}

async fn a_deleted_key_is_not_listed(store: Fixture) {
    for name in ["a", "b", "c"] {
        store.set(name, "value").await;
    }
    store.delete("b").await;
    assert_eq!(store.list().await, ["a", "c"]);
    let keys = [key("a"), key("c"), key("d")];
    store
        .store
        .delete_many(&context(), &store.bucket, &keys)
        .await
        .expect("delete many");
    assert!(store.list().await.is_empty());
}

async fn a_key_that_stays_is_listed_whatever_else_changes(store: Fixture) {
    let names = many_keys(&store).await;
    let mut listed = Vec::new();
    let mut cursor = store.page(None, &mut listed).await;
    // Some of the rest are deleted, some are written again, and new ones come.
    for name in names.iter().step_by(100) {
        store.delete(name).await;
        store.set(&format!("new:{name}"), "value").await;
    }
    for name in names.iter().skip(1).step_by(100) {
        store.set(name, "another").await;
    }
    while cursor.is_some() {
        cursor = store.page(cursor, &mut listed).await;
    }
    let listed: BTreeSet<_> = listed.into_iter().collect();
    let stay = names.iter().enumerate().filter(|(at, _)| at % 100 != 0);
    let missed: Vec<_> = stay.filter(|(_, name)| !listed.contains(*name)).collect();
    assert!(missed.is_empty(), "missed {missed:?}");
}

async fn a_cursor_from_nowhere_does_no_harm(store: Fixture) {
    store.set("key", "value").await;
    for number in [1, 77, 1 << 40, u64::MAX] {
        let mut cursor = Some(Cursor(number));
        for _page in 0..1000 {
            match store
                .store
                .list_keys(&context(), &store.bucket, cursor)
                .await
            {
                Ok(page) => cursor = page.next,
                Err(KeyValueError::BadCursor) => cursor = None,
                Err(error) => panic!("cursor {number}: {error}"),
            }
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(cursor, None, "the listing from {number} does not end");
    }
    assert_eq!(store.get("key").await, Some(bytes("value")));
}
