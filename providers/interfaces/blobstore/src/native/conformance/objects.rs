//! Bytes of any number and kind.

use bytes::Bytes;
use wrt_conformance::cases;
use wrt_contract::Body;

use super::{
    Case, Fixture,
    fixture::{bytes_at, compare, context, pattern},
    round_trip,
};
use crate::{ByteRange, limits::BATCH_NAMES_MAX};

pub(super) const CASES: &[Case] = cases![
    objects_of_any_size_come_back,
    a_large_object_comes_back,
    any_bytes_come_back,
    an_object_is_replaced_whole,
    what_is_being_read_stays_what_it_was,
    what_is_known_of_an_object_is_true,
    several_objects_are_deleted,
];

async fn objects_of_any_size_come_back(store: Fixture) {
    store.make().await;
    for size in [0, 1, 65_535, 65_536, 131_072, 131_073, 1_000_000, 1 << 20] {
        let name = size.to_string();
        let object = store.object(&name);
        // As a stream that has not said how long it is, and whole.
        round_trip(store.store.clone(), &context(), &object, size).await;
        let whole = Body::whole(bytes_at(0..size));
        let written = store.try_write(&name, whole).await;
        written.unwrap_or_else(|error| panic!("{size} bytes: {error}"));
        let read = store.open(&name, ByteRange::WHOLE).await.expect("open");
        compare(read, 0..size).await;
        assert_eq!(store.size(&name).await, Some(size));
    }
    store.remove().await;
}

async fn a_large_object_comes_back(store: Fixture) {
    store.make().await;
    let object = store.object("large");
    round_trip(store.store.clone(), &context(), &object, 16 << 20).await;
    store.remove().await;
}

async fn any_bytes_come_back(store: Fixture) {
    store.make().await;
    let all: Vec<u8> = (0..=u8::MAX).collect();
    for bytes in [
        &all[..],
        b"\0",
        b"\r\n.\r\n",
        b"\xff\xfe\xc0",
        b"PUB x 1\r\n",
    ] {
        store.write("bytes", bytes).await;
        assert_eq!(store.read("bytes").await, bytes);
    }
    store.remove().await;
}

async fn an_object_is_replaced_whole(store: Fixture) {
    store.make().await;
    for size in [300_000, 10, 0, 500_000] {
        let written = store.try_write("object", pattern(size)).await;
        written.expect("write");
        assert_eq!(store.read("object").await, bytes_at(0..size));
        assert_eq!(store.list().await, ["object"]);
    }
    store.remove().await;
}

async fn what_is_being_read_stays_what_it_was(store: Fixture) {
    store.make().await;
    let size = 2_000_000;
    let (replaced, deleted) = ("replaced", "deleted");
    for name in [replaced, deleted] {
        store.try_write(name, pattern(size)).await.expect("write");
    }
    let open = async |name| store.open(name, ByteRange::WHOLE).await.expect("open");
    let reading = [open(replaced).await, open(deleted).await];
    store.write(replaced, "new").await;
    store.delete(&[deleted]).await;
    for body in reading {
        compare(body, 0..size).await;
    }
    assert_eq!(store.read(replaced).await, "new");
    assert_eq!(store.size(deleted).await, None);
    store.remove().await;
}

async fn what_is_known_of_an_object_is_true(store: Fixture) {
    store.make().await;
    store.write("object", "12345").await;
    let info = store
        .store
        .object_info(&context(), &store.object("object"))
        .await
        .expect("info");
    assert_eq!(info.size_bytes, 5);
    let seconds = info.created_at.0;
    assert!(
        seconds > 1_600_000_000 && seconds < 100_000_000_000,
        "{seconds}"
    );
    store.remove().await;
}

async fn several_objects_are_deleted(store: Fixture) {
    store.make().await;
    for name in ["a", "b", "c"] {
        store.write(name, Bytes::from_static(b"x")).await;
    }
    store.delete(&["a", "none", "c", "a"]).await;
    assert_eq!(store.list().await, ["b"]);
    store.delete(&[]).await;
    let many = vec![super::fixture::object_name("b"); BATCH_NAMES_MAX + 1];
    let refused = store
        .store
        .delete_objects(&context(), &store.container, &many)
        .await;
    assert!(refused.is_err());
    assert_eq!(store.list().await, ["b"]);
    store.remove().await;
}
