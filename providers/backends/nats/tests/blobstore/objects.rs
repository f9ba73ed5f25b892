//! The suite, from wherever its provider can be called, and what only this one has.

use std::{sync::Arc, time::Instant};

use futures::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use wrt_blobstore::{
    Blobstore as _, BlobstoreError, BlobstoreInterface, ByteRange, ContainerName, Limit,
    conformance,
};
use wrt_contract::CallContext;
use wrt_nats::NatsConfig;
use wrt_test_kit::everywhere;
use wrt_test_servers::NatsServer;

use super::support::{
    LIMIT, bytes, connect, connect_with, made, object, other, read, stream_of, write,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let store = Arc::new(connect(&server).await);
    everywhere::<BlobstoreInterface>(store, conformance::run).await;
    let streams = other(&server).await.stream_names().count().await;
    assert_eq!(streams, 0, "each case removes what it has made");
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
