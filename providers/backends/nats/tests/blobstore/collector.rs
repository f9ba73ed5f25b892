//! What is left of objects goes, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{oneshot, watch},
};
use wrt_blobstore::{Blobstore as _, BlobstoreError, ByteRange, ObjectId};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_nats::NatsConfig;
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::ServiceAddress;
use wrt_test_servers::NatsServer;

use super::support::{
    become_chunks, bytes, chunks, connect, connect_with, made, object, other, read, stream_of,
    write,
};

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

/// Fails when the message that names an object's bytes is so late that they are gone, and is stored all the
/// same: in place of whatever the object was before, there would be one that nobody can read.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_collected_get_no_name() {
    let server = NatsServer::start().expect("nats-server");
    let soon = |config: &mut NatsConfig| config.unnamed_bytes_kept_for_ms = 1000;
    let collector = connect_with(&server, soon).await;
    made(&collector).await;
    write(&collector, "object", 10).await.expect("write");
    let cable = Cable::to(&server).await;
    let writer = connect_with(&server, |config| {
        config.url = ServiceAddress::new(cable.url());
    })
    .await;
    let stream = stream_of(&server, "c").await;
    let (context, name) = (
        CallContext::with_budget(Duration::from_secs(4)),
        object("object"),
    );
    let (sender, rest) = oneshot::channel::<()>();
    // A whole chunk: it is stored before it is known that it was the last one.
    let chunk = stream::iter([Ok(BodyFrame::Data(bytes(128 << 10)))]);
    let rest = stream::once(rest).filter_map(|_told| async { None });
    let written = writer.write_data(&context, &name, Body::new(None, chunk.chain(rest)));
    let late = async {
        become_chunks(&stream, 2).await;
        // The writer has heard so by now: this comes behind it.
        let known = writer.container_info(&context, &name.container).await;
        known.expect("it is there");
        cable.stall();
        sender.send(()).expect("the writer waits");
    };
    let (written, ()) = tokio::join!(written, late);
    written.expect_err("nobody has told it anything");
    // For the collector this is a writer that was lost.
    become_chunks(&stream, 1).await;
    cable.heal();
    writer
        .container_info(&CallContext::default(), &name.container)
        .await
        .expect("what was on its way has arrived");
    assert_eq!(read(&collector, "object").await, bytes(10));
}

/// Fails when bytes are taken for nobody's although it cannot be read what some object is.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_may_name_any_bytes() {
    let server = NatsServer::start().expect("nats-server");
    let soon = |config: &mut NatsConfig| config.unnamed_bytes_kept_for_ms = 1000;
    let store = connect_with(&server, soon).await;
    made(&store).await;
    let bucket = format!("{}c", NatsConfig::default().bucket_prefix);
    let client = other(&server).await;
    let publish = async |subject: String, data: Bytes| {
        let sent = client.publish(subject, data).await.expect("publish");
        sent.await.expect("stored");
    };
    publish(format!("$O.{bucket}.C.theirs"), bytes(1000)).await;
    let newer = Bytes::from_static(br#"{"version":2,"parts":["theirs"]}"#);
    publish(format!("$O.{bucket}.M.newer"), newer).await;
    let stream = stream_of(&server, "c").await;
    write(&store, "replaced", 10).await.expect("write");
    write(&store, "replaced", 20).await.expect("write");
    // What is nobody's elsewhere goes meanwhile.
    let context = CallContext::default();
    let elsewhere = ObjectId::new("d", "replaced").expect("legal names");
    let made = store.create_container(&context, &elsewhere.container);
    made.await.expect("container");
    for count in [10, 20] {
        let body = Body::whole(bytes(count));
        let written = store.write_data(&context, &elsewhere, body).await;
        written.expect("write");
    }
    become_chunks(&stream_of(&server, "d").await, 1).await;
    assert_eq!(chunks(&stream).await, 3);
    stream
        .purge()
        .filter(format!("$O.{bucket}.M.newer"))
        .await
        .expect("purge");
    become_chunks(&stream, 1).await;
    assert_eq!(read(&store, "replaced").await, bytes(20));
}

/// Where several servers have copies, whoever has all of them is asked what is named.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_asked_where_others_may_be_behind() {
    let server = NatsServer::start().expect("nats-server");
    let soon = |config: &mut NatsConfig| config.unnamed_bytes_kept_for_ms = 1000;
    let store = connect_with(&server, soon).await;
    made(&store).await;
    // As if there were.
    let mut config = stream_of(&server, "c").await.cached_info().config.clone();
    config.allow_direct = false;
    let client = other(&server).await;
    client.update_stream(config).await.expect("update");
    for (name, count) in [("kept", 300_000), ("replaced", 300_000), ("replaced", 10)] {
        write(&store, name, count).await.expect("write");
    }
    become_chunks(&stream_of(&server, "c").await, 3 + 1).await;
    assert_eq!(read(&store, "kept").await, bytes(300_000));
    assert_eq!(read(&store, "replaced").await, bytes(10));
}

/// A cable to a server, on which nothing moves for a while.
struct Cable {
    port: u16,
    moves: watch::Sender<bool>,
}

impl Cable {
    async fn to(server: &NatsServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (moves, is_moving) = watch::channel(true);
        let far = server.port();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", far)).await;
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.expect("a server").into_split();
                tokio::spawn(forward(near_in, far_out, is_moving.clone()));
                tokio::spawn(forward(far_in, near_out, is_moving.clone()));
            }
        });
        Self { port, moves }
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn stall(&self) {
        self.moves.send_replace(false);
    }

    fn heal(&self) {
        self.moves.send_replace(true);
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_moving: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = from.read(&mut buffer).await {
        let moves = is_moving.wait_for(|moves| *moves).await.is_ok();
        if count == 0 || !moves || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
