//! Objects get elsewhere.

use wrt_conformance::cases;

use super::{
    Case, Fixture,
    fixture::{bytes_at, context, pattern},
};
use crate::BlobstoreError;

pub(super) const CASES: &[Case] = cases![
    a_copy_is_an_object_of_its_own,
    an_object_moves,
    an_object_that_moves_to_itself_is_not_lost,
    a_target_is_replaced_and_its_container_must_be_there,
];

const SIZE: u64 = 400_001;

async fn transfer(from: &Fixture, source: &str, to: &Fixture, target: &str, moves: bool) {
    let (source, target) = (from.object(source), to.object(target));
    let done = match moves {
        true => from.store.move_object(&context(), &source, &target).await,
        false => from.store.copy_object(&context(), &source, &target).await,
    };
    done.unwrap_or_else(|error| panic!("{source} to {target}, moves: {moves}: {error}"));
}

async fn a_copy_is_an_object_of_its_own(store: Fixture) {
    let other = store.beside("-other");
    store.make().await;
    other.make().await;
    store
        .try_write("source", pattern(SIZE))
        .await
        .expect("write");
    transfer(&store, "source", &store, "copy", false).await;
    transfer(&store, "source", &other, "source", false).await;
    transfer(&store, "source", &store, "source", false).await;
    assert_eq!(store.read("source").await, bytes_at(0..SIZE));
    store.write("source", "another").await;
    assert_eq!(store.read("copy").await, bytes_at(0..SIZE));
    store.delete(&["source"]).await;
    assert_eq!(store.read("copy").await, bytes_at(0..SIZE));
    assert_eq!(store.list().await, ["copy"]);
    store.remove().await;
    assert_eq!(other.read("source").await, bytes_at(0..SIZE));
    other.remove().await;
}

async fn an_object_moves(store: Fixture) {
    let other = store.beside("-other");
    store.make().await;
    other.make().await;
    store.try_write("a", pattern(SIZE)).await.expect("write");
    transfer(&store, "a", &store, "b", true).await;
    assert_eq!(store.list().await, ["b"]);
    transfer(&store, "b", &other, "c", true).await;
    assert!(store.list().await.is_empty());
    assert_eq!(other.read("c").await, bytes_at(0..SIZE));
    store.remove().await;
    other.remove().await;
}

async fn an_object_that_moves_to_itself_is_not_lost(store: Fixture) {
    store.make().await;
    store.write("object", "bytes").await;
    transfer(&store, "object", &store, "object", true).await;
    assert_eq!(store.read("object").await, "bytes");
    assert_eq!(store.list().await, ["object"]);
    store.remove().await;
}

async fn a_target_is_replaced_and_its_container_must_be_there(store: Fixture) {
    let nowhere = store.beside("-nowhere");
    store.make().await;
    store.write("a", "of a").await;
    store.write("b", "of b, and longer").await;
    transfer(&store, "a", &store, "b", false).await;
    assert_eq!(store.read("b").await, "of a");
    let (source, target) = (store.object("a"), nowhere.object("a"));
    let expected = Err(BlobstoreError::NoSuchContainer(nowhere.container.clone()));
    let copied = store.store.copy_object(&context(), &source, &target).await;
    assert_eq!(copied, expected);
    let moved = store.store.move_object(&context(), &source, &target).await;
    assert_eq!(moved, expected);
    assert_eq!(store.read("a").await, "of a", "nothing is lost by it");
    assert!(!nowhere.exists().await);
    store.remove().await;
}
