//! The glue as a guest meets it, without a guest.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamError};
use wrt_host::InstanceState;
use wrt_protocol::FaultKind;
use wrt_test_kit::{linked_instance, unreachable};

use super::{
    blobstore::Host as _,
    container::{HostContainer as _, HostStreamObjectNames as _},
    types::{HostIncomingValue as _, HostOutgoingValue as _, ObjectId},
    *,
};
use crate::{
    Blobstore, BlobstoreDefault,
    limits::{AHEAD_BYTES_MAX, HANDLES_MAX, PAGE_NAMES_MAX},
};

type Told<T> = wasmtime::Result<Result<T, String>>;

fn instance(links: &[(&str, &Arc<dyn Blobstore>)]) -> InstanceState {
    linked_instance::<BlobstoreInterface>(links)
}

fn memory() -> Arc<dyn Blobstore> {
    Arc::new(BlobstoreDefault::default())
}

fn ok<T>(told: Told<T>) -> T {
    told.expect("no trap").expect("no error")
}

fn error<T>(told: Told<T>) -> String {
    match told.expect("no trap") {
        Ok(_) => panic!("it succeeded"),
        Err(text) => text,
    }
}

fn same<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

async fn made(state: &mut InstanceState, name: &str) -> Resource<ContainerHandle> {
    ok(state.create_container(name.to_owned()).await)
}

/// Writes to a guest's stream, as `blocking-write-and-flush` does.
async fn write(state: &mut InstanceState, stream: &Resource<DynOutputStream>, mut bytes: &[u8]) {
    let stream = state.table().get_mut(stream).expect("a stream");
    while !bytes.is_empty() {
        stream.ready().await;
        let room = stream.check_write().expect("it is taken");
        let (now, rest) = bytes.split_at(room.min(bytes.len()));
        stream
            .write(Bytes::copy_from_slice(now))
            .expect("permitted");
        bytes = rest;
    }
}

async fn value(state: &mut InstanceState) -> (Resource<OutgoingValue>, Resource<DynOutputStream>) {
    let value = state.new_outgoing_value().await.expect("a value");
    let stream = state.outgoing_value_write_body(same(&value)).await;
    (value, stream.expect("no trap").expect("a stream"))
}

/// Writes an object in the order of most guests: where to, the bytes, the end.
async fn put(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
    name: &str,
    bytes: &[u8],
) {
    let (value, stream) = value(state).await;
    let to = state.write_data(same(container), name.to_owned(), same(&value));
    ok(to.await);
    write(state, &stream, bytes).await;
    state.table().delete(stream).expect("a stream");
    ok(state.finish(value).await);
}

async fn get(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
    name: &str,
) -> Vec<u8> {
    let value = state
        .get_data(same(container), name.to_owned(), 0, u64::MAX)
        .await;
    ok(state.incoming_value_consume_sync(ok(value)).await)
}

#[tokio::test]
async fn without_a_link_there_is_no_store() {
    let mut state = instance(&[]);
    let told = error(state.get_container("c".to_owned()).await);
    assert_eq!(told, BlobstoreError::NotLinked.to_string());
}

#[tokio::test]
async fn a_fault_is_the_guests_error_and_no_trap() {
    let nobody = unreachable::<BlobstoreInterface>(FaultKind::Unavailable);
    let mut state = instance(&[("default", &nobody)]);
    let told = error(state.create_container("c".to_owned()).await);
    assert!(told.contains("not executed"), "{told}");
    assert!(error(state.container_exists("c".to_owned()).await).contains("not executed"));
}

#[tokio::test]
async fn an_object_is_written_and_read_in_streams() {
    let mut state = instance(&[("default", &memory())]);
    let container = made(&mut state, "c").await;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    put(&mut state, &container, "o", &bytes).await;
    assert!(ok(state.has_object(same(&container), "o".to_owned()).await));
    assert!(!ok(state
        .has_object(same(&container), "x".to_owned())
        .await));
    let info = ok(state.object_info(same(&container), "o".to_owned()).await);
    assert_eq!((info.size, &*info.container), (bytes.len() as u64, "c"));

    let part = ok(state
        .get_data(same(&container), "o".to_owned(), 5, 700_000)
        .await);
    assert_eq!(state.size(same(&part)).await.expect("a size"), 699_996);
    let stream = ok(state.incoming_value_consume_async(part).await);
    let stream: &mut DynInputStream = state.table().get_mut(&stream).expect("a stream");
    let mut read = Vec::new();
    loop {
        stream.ready().await;
        match stream.read(usize::MAX) {
            Ok(piece) => read.extend_from_slice(&piece),
            Err(StreamError::Closed) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(read == bytes[5..=700_000]);
    assert_eq!(get(&mut state, &container, "o").await.len(), bytes.len());
}

#[tokio::test]
async fn a_value_may_be_written_before_it_is_said_where_to() {
    let mut state = instance(&[("default", &memory())]);
    let container = made(&mut state, "c").await;
    let (value, stream) = value(&mut state).await;
    write(&mut state, &stream, &vec![1; AHEAD_BYTES_MAX]).await;
    let full = state
        .table()
        .get_mut(&stream)
        .expect("a stream")
        .check_write();
    assert!(format!("{full:?}").contains("write-data"), "{full:?}");
    state.table().delete(stream).expect("a stream");
    ok(state
        .write_data(same(&container), "o".to_owned(), same(&value))
        .await);
    let again = state.write_data(same(&container), "o".to_owned(), same(&value));
    assert!(error(again.await).contains("another"));
    ok(state.finish(value).await);
    assert_eq!(
        get(&mut state, &container, "o").await.len(),
        AHEAD_BYTES_MAX
    );
}

#[tokio::test]
async fn what_is_not_finished_is_not_stored() {
    let mut state = instance(&[("default", &memory())]);
    let container = made(&mut state, "c").await;
    put(&mut state, &container, "o", b"old").await;
    let (value, stream) = value(&mut state).await;
    ok(state
        .write_data(same(&container), "o".to_owned(), same(&value))
        .await);
    write(&mut state, &stream, b"half").await;
    // A value whose stream is still there can neither be dropped nor finished.
    let finished = state.finish(Resource::new_own(value.rep())).await;
    assert!(finished.is_err());
    state.table().delete(stream).expect("a stream");
    super::types::HostOutgoingValue::drop(&mut state, value)
        .await
        .expect("drop");
    assert_eq!(get(&mut state, &container, "o").await, b"old");
}

/// A trap takes the whole store along, in whatever order.
#[tokio::test]
async fn what_a_guest_has_not_finished_when_it_traps_is_not_stored() {
    let store = memory();
    let mut state = instance(&[("default", &store)]);
    let container = made(&mut state, "c").await;
    let (value, stream) = value(&mut state).await;
    ok(state
        .write_data(same(&container), "o".to_owned(), same(&value))
        .await);
    write(&mut state, &stream, &vec![1; 500_000]).await;
    drop(state);
    let mut state = instance(&[("default", &store)]);
    let container = ok(state.get_container("c".to_owned()).await);
    assert!(!ok(state
        .has_object(same(&container), "o".to_owned())
        .await));
}

#[tokio::test]
async fn a_guest_that_writes_to_nowhere_is_told_why() {
    let mut state = instance(&[("default", &memory())]);
    let container = made(&mut state, "c").await;
    ok(state.delete_container("c".to_owned()).await);
    let (refused, stream) = value(&mut state).await;
    ok(state
        .write_data(same(&container), "o".to_owned(), same(&refused))
        .await);
    let output = state.table().get_mut(&stream).expect("a stream");
    let told = loop {
        output.ready().await;
        match output.check_write() {
            Ok(0) => {}
            Ok(_) => output.write(Bytes::from_static(b"x")).expect("permitted"),
            Err(error) => break format!("{error:?}"),
        }
        tokio::task::yield_now().await;
    };
    assert!(told.contains("there is no container \"c\""), "{told}");
    state.table().delete(stream).expect("a stream");
    assert!(error(state.finish(refused).await).contains("there is no container"));
    let (nowhere, stream) = value(&mut state).await;
    state.table().delete(stream).expect("a stream");
    assert!(error(state.finish(nowhere).await).contains("write-data"));
}

#[tokio::test]
async fn a_container_of_a_links_name_is_that_links() {
    let (default, pictures) = (memory(), memory());
    let mut state = instance(&[("default", &default), ("pictures", &pictures)]);
    let here = made(&mut state, "here").await;
    let there = made(&mut state, "pictures").await;
    put(&mut state, &here, "o", b"bytes").await;
    let id = |container: &str, object: &str| ObjectId {
        container: container.to_owned(),
        object: object.to_owned(),
    };
    ok(state
        .copy_object(id("here", "o"), id("pictures", "copy"))
        .await);
    assert_eq!(get(&mut state, &there, "copy").await, b"bytes");
    ok(state
        .move_object(id("here", "o"), id("pictures", "moved"))
        .await);
    assert_eq!(get(&mut state, &there, "moved").await, b"bytes");
    assert!(!ok(state.has_object(same(&here), "o".to_owned()).await));
    let mut other = instance(&[("default", &default)]);
    assert!(!ok(other.container_exists("pictures".to_owned()).await));
}

#[tokio::test]
async fn a_listing_is_read_and_skipped_to_its_end() {
    let mut state = instance(&[("default", &memory())]);
    let container = made(&mut state, "c").await;
    let count = PAGE_NAMES_MAX as u64 + 5;
    for n in 0..count {
        put(&mut state, &container, &n.to_string(), b"").await;
    }
    let listing = ok(state.list_objects(same(&container)).await);
    let mut read = async |len| ok(state.read_stream_object_names(same(&listing), len).await);
    let (first, is_last) = read(3).await;
    assert_eq!((first.len(), is_last), (3, false));
    assert_eq!(read(0).await, (Vec::new(), false));
    let skipped = state.skip_stream_object_names(same(&listing), count - 5);
    assert_eq!(ok(skipped.await), (count - 5, false));
    let mut read = async |len| ok(state.read_stream_object_names(same(&listing), len).await);
    let (rest, is_last) = read(u64::MAX).await;
    assert_eq!((rest.len(), is_last), (2, true));
    assert_eq!(read(1).await, (Vec::new(), true));
}

#[tokio::test]
async fn an_instance_holds_a_bounded_number_of_values() {
    let mut state = instance(&[("default", &memory())]);
    for _value in 0..HANDLES_MAX {
        state.new_outgoing_value().await.expect("a value");
    }
    assert!(state.new_outgoing_value().await.is_err());
    let container = made(&mut state, "c").await;
    assert!(error(state.list_objects(container).await).contains("held by an instance"));
}

#[tokio::test]
async fn ranges_and_names_are_checked_before_anybody_is_asked() {
    let mut state = instance(&[("default", &memory())]);
    let container = made(&mut state, "c").await;
    let reversed = state.get_data(same(&container), "o".to_owned(), 2, 1).await;
    assert!(error(reversed).contains("before it begins"));
    assert!(error(state.create_container(String::new()).await).contains("at least one byte"));
    let long = "o".repeat(2000);
    assert!(error(state.has_object(same(&container), long).await).contains("of at most 1024"));
}
