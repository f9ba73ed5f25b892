//! Containers come and go.

use wrt_conformance::cases;
use wrt_contract::Body;

use super::{Case, Fixture, fixture::context};
use crate::{BlobstoreError, ByteRange};

pub(super) const CASES: &[Case] = cases![
    a_container_is_there_when_it_was_made_and_until_it_is_removed,
    making_a_container_that_is_there_wipes_nothing,
    what_was_in_a_removed_container_does_not_come_back,
    what_is_not_there_is_told,
    clear_leaves_the_container_and_nothing_in_it,
];

async fn a_container_is_there_when_it_was_made_and_until_it_is_removed(store: Fixture) {
    assert!(!store.exists().await);
    store.make().await;
    assert!(store.exists().await);
    assert!(store.list().await.is_empty());
    let info = store
        .store
        .container_info(&context(), &store.container)
        .await;
    let seconds = info.expect("info").created_at.0;
    assert!(
        seconds > 1_600_000_000 && seconds < 100_000_000_000,
        "{seconds}"
    );
    store.remove().await;
    assert!(!store.exists().await);
    // What is not there is not there afterwards either.
    store.remove().await;
}

async fn making_a_container_that_is_there_wipes_nothing(store: Fixture) {
    store.make().await;
    store.write("kept", "bytes").await;
    store.make().await;
    assert_eq!(store.read("kept").await, "bytes");
    store.remove().await;
}

async fn what_was_in_a_removed_container_does_not_come_back(store: Fixture) {
    store.make().await;
    store.write("old", "bytes").await;
    store.remove().await;
    store.make().await;
    assert!(store.list().await.is_empty());
    assert_eq!(store.size("old").await, None);
    store.remove().await;
}

async fn what_is_not_there_is_told(store: Fixture) {
    let no_container = BlobstoreError::NoSuchContainer(store.container.clone());
    let (context, object) = (context(), store.object("none"));
    let (blobs, container) = (&store.store, &store.container);
    let outcomes = [
        blobs.container_info(&context, container).await.map(drop),
        blobs.object_info(&context, &object).await.map(drop),
        store.open("none", ByteRange::WHOLE).await.map(drop),
        store.try_write("none", Body::empty()).await,
        blobs
            .list_objects(&context, container, None)
            .await
            .map(drop),
        blobs.delete_objects(&context, container, &[]).await,
        blobs.clear(&context, container).await,
        blobs.copy_object(&context, &object, &object).await,
        blobs.move_object(&context, &object, &object).await,
    ];
    for (at, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome, Err(no_container.clone()), "outcome {at}");
    }
    assert!(!store.exists().await, "nothing of it makes one");
    store.make().await;
    let no_object = BlobstoreError::NoSuchObject(object.clone());
    let read = store.open("none", ByteRange::WHOLE).await.map(drop);
    assert_eq!(read, Err(no_object.clone()));
    let copied = blobs
        .copy_object(&context, &object, &store.object("x"))
        .await;
    assert_eq!(copied, Err(no_object.clone()));
    let moved = blobs.move_object(&context, &object, &object).await;
    assert_eq!(moved, Err(no_object));
    store.delete(&["none"]).await;
    assert!(store.list().await.is_empty());
    store.remove().await;
}

async fn clear_leaves_the_container_and_nothing_in_it(store: Fixture) {
    store.make().await;
    store.clear().await;
    for name in ["a", "b/c", "*"] {
        store.write(name, name).await;
    }
    store.clear().await;
    assert!(store.exists().await);
    assert!(store.list().await.is_empty());
    assert_eq!(store.size("a").await, None);
    store.write("a", "again").await;
    assert_eq!(store.list().await, ["a"]);
    assert_eq!(store.read("a").await, "again");
    store.remove().await;
}
