//! Which objects there are, page by page.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use wrt_conformance::cases;
use wrt_contract::Body;

use super::{Case, Fixture};
use crate::limits::PAGE_NAMES_MAX;

pub(super) const CASES: &[Case] =
    cases![a_listing_ends_and_names_each_object_that_stays_whatever_else_changes];

/// More than fit on a page.
const MANY: usize = PAGE_NAMES_MAX + 45;

async fn many_objects(store: &Fixture) -> Vec<String> {
    let names: Vec<_> = (0..MANY).map(|n| format!("object {n:05}")).collect();
    let writes = names
        .iter()
        .map(|name| store.try_write(name, Body::empty()));
    let writes: Vec<_> = writes.collect();
    let written = stream::iter(writes).buffer_unordered(32);
    written.try_collect::<()>().await.expect("write");
    names
}

async fn a_listing_ends_and_names_each_object_that_stays_whatever_else_changes(store: Fixture) {
    store.make().await;
    let names = many_objects(&store).await;
    assert_eq!(store.list().await, names, "each of them, and once");

    let mut listed = Vec::new();
    let mut cursor = store.page(None, &mut listed).await;
    assert!(listed.len() <= PAGE_NAMES_MAX && cursor.is_some());
    // Some of the rest are deleted, some are replaced, and new ones come.
    let rest = &names[PAGE_NAMES_MAX..];
    for name in rest.iter().step_by(5) {
        store.delete(&[name]).await;
        store.write(&format!("new {name}"), "").await;
    }
    for name in rest.iter().skip(1).step_by(5) {
        store.write(name, "another").await;
    }
    while cursor.is_some() {
        cursor = store.page(cursor, &mut listed).await;
    }
    let listed: BTreeSet<_> = listed.into_iter().collect();
    let is_deleted = |name: &&String| rest.iter().step_by(5).any(|deleted| deleted == *name);
    let mut stay = names.iter().filter(|name| !is_deleted(name));
    let missed = stay.find(|name| !listed.contains(*name));
    assert_eq!(missed, None);
    store.clear().await;
    assert!(store.list().await.is_empty());
    store.remove().await;
}
