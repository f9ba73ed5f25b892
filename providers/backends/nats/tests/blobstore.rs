//! Objects on a real server: the suite, from wherever its provider can be called, and what only this one has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream::Stream};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncReadExt as _;
use wrt_blobstore::{
    Blobstore as _, BlobstoreError, BlobstoreInterface, ByteRange, ContainerName, Limit, ObjectId,
    conformance,
};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_nats::{Nats, NatsConfig};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_kit::everywhere;
use wrt_test_servers::NatsServer;

const LIMIT: Duration = Duration::from_secs(20);

async fn connect(server: &NatsServer) -> Nats {
    connect_with(server, |_| ()).await
}

async fn connect_with(server: &NatsServer, change: impl FnOnce(&mut NatsConfig)) -> Nats {
    let mut config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    };
    change(&mut config);
    Nats::connect_with(config).await.expect("connect")
}

/// What any other client of the server sees.
async fn other(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.expect("connect"))
}

async fn stream_of(server: &NatsServer, container: &str) -> Stream {
    let name = format!("OBJ_{}{container}", NatsConfig::default().bucket_prefix);
    other(server).await.get_stream(name).await.expect("stream")
}

/// Chunks that are there, of all objects of a container.
async fn chunks(stream: &Stream) -> usize {
    let subjects = stream.info_with_subjects("$O.*.C.*").await.expect("info");
    let subjects: Vec<_> = subjects.try_collect().await.expect("subjects");
    subjects.into_iter().map(|(_, count)| count).sum()
}

async fn become_chunks(stream: &Stream, expected: usize) {
    let began = Instant::now();
    loop {
        let found = chunks(stream).await;
        if found == expected {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "{found} chunks, and {expected} were expected"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn object(name: &str) -> ObjectId {
    ObjectId::new("c", name).expect("legal names")
}

async fn made(store: &Nats) {
    let container = ContainerName::new("c").expect("a legal name");
    let context = CallContext::default();
    let made = store.create_container(&context, &container);
    made.await.expect("container");
}

fn bytes(count: usize) -> Bytes {
    (0..count).map(|at| (at % 251) as u8).collect()
}

async fn write(store: &Nats, name: &str, count: usize) -> Result<(), BlobstoreError> {
    let context = CallContext::default();
    let body = Body::whole(bytes(count));
    store.write_data(&context, &object(name), body).await
}

async fn read(store: &Nats, name: &str) -> Bytes {
    let body = store
        .get_data(&CallContext::default(), &object(name), ByteRange::WHOLE)
        .await;
    body.expect("open").collect(1 << 24).await.expect("read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let store = Arc::new(connect(&server).await);
    everywhere::<BlobstoreInterface>(store, conformance::run).await;
    let streams = other(&server).await.stream_names().count().await;
    assert_eq!(streams, 0, "each case removes what it has made");
}

/// Bytes of what was replaced, removed or never finished go, and no others; what a copy names stays.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_no_object_names_are_collected() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    made(&store).await;
    let context = CallContext::default();
    for (name, count) in [
        ("replaced", 300_000),
        ("deleted", 300_000),
        ("kept", 500_000),
    ] {
        write(&store, name, count).await.expect("write");
    }
    let (kept, copy) = (object("kept"), object("copy"));
    store
        .copy_object(&context, &kept, &copy)
        .await
        .expect("copy");
    let reading = store
        .get_data(&context, &object("deleted"), ByteRange::WHOLE)
        .await
        .expect("open");
    write(&store, "replaced", 10).await.expect("write");
    let deleted = [object("deleted").object, kept.object];
    let delete = store.delete_objects(&context, &copy.container, &deleted);
    delete.await.expect("delete");
    assert_eq!(
        reading
            .collect(1 << 20)
            .await
            .expect("it is read to its end"),
        bytes(300_000)
    );

    // Another one, which has less patience, comes when all that is done.
    let soon = |config: &mut NatsConfig| config.unnamed_bytes_kept_for_ms = 1000;
    let collector = connect_with(&server, soon).await;
    assert_eq!(read(&collector, "replaced").await, bytes(10));
    let stream = stream_of(&server, "c").await;
    // One of the new bytes, and four of the copy, which shares those of what was deleted.
    become_chunks(&stream, 1 + 4).await;
    assert_eq!(read(&store, "copy").await, bytes(500_000));
    assert_eq!(read(&store, "replaced").await, bytes(10));
}

/// What a writer has left whose node was killed: another node, which comes later, collects it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_writer_has_left_is_not_seen_and_is_collected() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    made(&store).await;
    let stream = stream_of(&server, "c").await;
    let client = other(&server).await;
    for _chunk in 0..3 {
        let subject = format!("$O.{}c.C.lost", NatsConfig::default().bucket_prefix);
        let sent = client.publish(subject, bytes(1000)).await.expect("publish");
        sent.await.expect("stored");
    }
    let soon = |config: &mut NatsConfig| config.unnamed_bytes_kept_for_ms = 1000;
    let later = connect_with(&server, soon).await;
    let container = object("x").container;
    let context = CallContext::default();
    let page = later.list_objects(&context, &container, None);
    assert!(page.await.expect("list").objects.is_empty());
    become_chunks(&stream, 0).await;
}

/// A write that breaks off removes at once what it has stored, and one that is too slow for the collector
/// does not get to its end.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_write_leaves_nothing() {
    let server = NatsServer::start().expect("nats-server");
    let soon = |config: &mut NatsConfig| config.unnamed_bytes_kept_for_ms = 1000;
    let (store, slow) = (connect(&server).await, connect_with(&server, soon).await);
    made(&store).await;
    let (context, object) = (CallContext::default(), object("half"));
    let piece = || Ok(BodyFrame::Data(bytes(400_000)));
    let gone = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
    let broken = Body::new(None, stream::iter([piece(), Err(gone.into())]));
    let written = store.write_data(&context, &object, broken).await;
    assert!(
        matches!(written, Err(BlobstoreError::Fault(_))),
        "{written:?}"
    );
    let stream = stream_of(&server, "c").await;
    become_chunks(&stream, 0).await;

    let pause = stream::once(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        piece()
    });
    let stands_still = Body::new(None, stream::iter([piece()]).chain(pause));
    let written = slow.write_data(&context, &object, stands_still).await;
    let told = written.expect_err("it may have been collected").to_string();
    assert!(
        told.contains("not executed") && told.contains("no chunk"),
        "{told}"
    );
    become_chunks(&stream, 0).await;
    let info = store.object_info(&context, &object).await;
    assert_eq!(info, Err(BlobstoreError::NoSuchObject(object)));
}

/// Objects are those of NATS's own tools, in both directions.
#[tokio::test(flavor = "multi_thread")]
async fn other_clients_of_nats_see_the_objects_and_are_seen() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    made(&store).await;
    let bucket = format!("{}c", NatsConfig::default().bucket_prefix);
    let client = other(&server).await;
    let theirs = client.get_object_store(&bucket).await.expect("store");
    write(&store, "ours", 300_000).await.expect("write");
    let mut read_by_them = Vec::new();
    let mut ours = theirs.get("ours").await.expect("get");
    ours.read_to_end(&mut read_by_them)
        .await
        .expect("its digest is right");
    assert!(read_by_them == bytes(300_000));

    let put = bytes(700_001);
    theirs.put("theirs", &mut &put[..]).await.expect("put");
    theirs.put("marked", &mut &put[..10]).await.expect("put");
    theirs.delete("marked").await.expect("delete");
    assert!(read(&store, "theirs").await == put);
    let (context, theirs) = (CallContext::default(), object("theirs"));
    let range = ByteRange::new(300_000, 600_000).expect("a legal range");
    let part = store
        .get_data(&context, &theirs, range)
        .await
        .expect("open");
    let part = part.collect(1 << 20).await.expect("read");
    assert!(part == put[300_000..=600_000]);
    let page = store.list_objects(&context, &theirs.container, None).await;
    let mut names = page.expect("list").objects;
    names.sort_unstable();
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["ours", "theirs"]);
    let marked = store.object_info(&context, &object("marked")).await;
    assert_eq!(marked, Err(BlobstoreError::NoSuchObject(object("marked"))));
}

/// A chunk that is missing, or a server that is away, is an error of the body, and never a shorter one.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_all_there_is_an_error() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "damaged", 1_000_000).await.expect("write");
    let stream = stream_of(&server, "c").await;
    stream.delete_message(3).await.expect("the third chunk");
    let context = CallContext::default();
    let damaged = object("damaged");
    let body = store.get_data(&context, &damaged, ByteRange::WHOLE).await;
    let read = body.expect("open").collect(1 << 21).await;
    assert_eq!(read, Err(BlobstoreError::Gone(damaged)));

    write(&store, "read", 1_000_000).await.expect("write");
    let body = store
        .get_data(&context, &object("read"), ByteRange::WHOLE)
        .await;
    let mut body = body.expect("open");
    body.next().await.expect("a piece").expect("of bytes");
    server.kill().expect("kill");
    let began = Instant::now();
    let read = body.collect(1 << 21).await;
    assert!(matches!(read, Err(BlobstoreError::Fault(_))), "{read:?}");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_container_more_than_may_exist_is_refused() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect_with(&server, |config| config.buckets_max = 2).await;
    let context = CallContext::default();
    for (name, is_room) in [("a", true), ("b", true), ("c", false), ("a", true)] {
        let name = ContainerName::new(name).expect("a legal name");
        let made = store.create_container(&context, &name).await;
        let is_refused = matches!(
            made,
            Err(BlobstoreError::OverLimit {
                limit: Limit::Containers,
                ..
            })
        );
        assert_eq!(is_refused, !is_room, "{name:?}: {made:?}");
    }
}
