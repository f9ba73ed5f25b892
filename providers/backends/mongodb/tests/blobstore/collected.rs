//! What is left of objects goes, and nothing else.

use std::time::Duration;

use futures::{StreamExt as _, channel::mpsc, stream};
use mongodb::bson::{doc, oid::ObjectId as Id};
use tokio::runtime;
use wrt_blobstore::{Blobstore as _, BlobstoreError, ByteRange};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_mongodb::MongoDb;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};
use wrt_test_servers::MongoDbServer;

use super::support::{
    Inside, bytes, connect, connect_with, container, made, names, object, read, write,
};

async fn impatient(server: &MongoDbServer) -> MongoDb {
    connect_with(server, |config| config.unnamed_bytes_kept_for_ms = 1000).await
}

/// A piece of a body: four chunks, and a bit.
fn piece() -> Result<BodyFrame, BlobstoreError> {
    Ok(BodyFrame::Data(bytes(1_100_000)))
}

/// Bytes of what was replaced or removed go, and no others; until then who reads them gets them.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_no_object_has_are_collected() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    let context = CallContext::default();
    for name in ["replaced", "deleted", "kept", "moved"] {
        write(&store, name, 600_000).await.expect("write");
    }
    let mut reading = Vec::new();
    for name in ["replaced", "deleted", "moved"] {
        let body = store
            .get_data(&context, &object(name), ByteRange::WHOLE)
            .await;
        reading.push(body.expect("open"));
    }
    write(&store, "replaced", 10).await.expect("write");
    let (container, deleted) = (container(), [object("deleted").object]);
    let delete = store.delete_objects(&context, &container, &deleted);
    delete.await.expect("delete");
    let (source, target) = (object("moved"), object("there"));
    let moved = store.move_object(&context, &source, &target).await;
    moved.expect("move");
    for body in reading {
        let whole = body.collect(1 << 20).await;
        assert!(whole.expect("it is read to its end") == bytes(600_000));
    }
    assert_eq!(names(&store).await, ["kept", "replaced", "there"]);

    // Another one, which has less patience, comes when all that is done.
    let inside = Inside::of(&server).await;
    let _collector = impatient(&server).await;
    inside.becomes("chunks", 3 + 1 + 3).await;
    inside.becomes("files", 3).await;
    inside.becomes("names", 3).await;
    for name in ["kept", "there"] {
        assert!(read(&store, name).await == bytes(600_000), "{name}");
    }
    assert_eq!(read(&store, "replaced").await, bytes(10));

    // What a container had that is emptied, and then one that is removed.
    store.clear(&context, &container).await.expect("clear");
    assert!(names(&store).await.is_empty());
    write(&store, "after", 300_000).await.expect("write");
    inside.becomes("chunks", 2).await;
    assert_eq!(read(&store, "after").await, bytes(300_000));
    let removed = store.delete_container(&context, &container).await;
    removed.expect("delete");
    made(&store).await;
    assert!(names(&store).await.is_empty(), "it is another one");
    for (collection, count) in [("chunks", 0), ("files", 0), ("names", 0), ("containers", 1)] {
        inside.becomes(collection, count).await;
    }
}

/// An object that is replaced over and over keeps so many of the bytes that it had, and the oldest beyond go
/// with the next write.
#[tokio::test(flavor = "multi_thread")]
async fn of_the_bytes_that_an_object_had_the_oldest_go_at_once() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "o", 10).await.expect("write");
    let inside = Inside::of(&server).await;
    let old: Vec<_> = (0..300).map(|_| Id::new()).collect();
    let [oldest, newest] = [old[0], old[299]].map(|id| doc! { "files_id": id, "n": 0 });
    let chunks = inside.collection("chunks");
    let stored = chunks.insert_many([&oldest, &newest]).await;
    stored.expect("chunks");
    let (names, name) = (inside.collection("names"), doc! { "name": "o" });
    let had = doc! { "$set": { "old": old } };
    names.update_one(name.clone(), had).await.expect("old");
    write(&store, "o", 20).await.expect("write");
    let entry = names
        .find_one(name)
        .await
        .expect("find")
        .expect("it is there");
    assert_eq!(entry.get_array("old").expect("an array").len(), 256 + 1);
    for (chunk, count) in [(oldest, 0), (newest, 1)] {
        let found = chunks.count_documents(chunk).await;
        assert_eq!(found.expect("count"), count);
    }
    assert_eq!(read(&store, "o").await, bytes(20));
}

/// A writer ends as a process does that is killed: nobody cleans up. Nothing of it is seen, the object stays
/// what it was, and its chunks go.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_writer_has_left_is_not_seen_and_is_collected() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "replaced", 10).await.expect("write");
    let inside = Inside::of(&server).await;
    let lost = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = super::support::config(&server);
    for name in ["replaced", "new"] {
        let config = config.clone();
        lost.spawn(async move {
            let store = <MongoDb as wrt_runtime::Backend>::connect_with(config).await;
            let never = stream::iter([piece()]).chain(stream::pending());
            let body = Body::new(None, never);
            let context = CallContext::with_budget(Duration::from_secs(600));
            let store = store.expect("connect");
            store.write_data(&context, &object(name), body).await
        });
    }
    inside.reaches("chunks", 1 + 2 * 4).await;
    lost.shutdown_background();
    assert_eq!(names(&store).await, ["replaced"]);

    let later = impatient(&server).await;
    inside.becomes("chunks", 1).await;
    inside.becomes("names", 1).await;
    inside.becomes("files", 1).await;
    assert_eq!(names(&later).await, ["replaced"]);
    assert_eq!(read(&later, "replaced").await, bytes(10));
}

/// A write that breaks off removes at once what it has stored, and one that is too slow for the collector
/// does not get to its end.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_write_leaves_nothing() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    let inside = Inside::of(&server).await;
    let (context, half) = (CallContext::default(), object("half"));
    let gone = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
    let broken = stream::iter([piece(), Err(gone.into())]);
    let written = store
        .write_data(&context, &half, Body::new(None, broken))
        .await;
    assert!(
        matches!(written, Err(BlobstoreError::Fault(_))),
        "{written:?}"
    );
    inside.becomes("chunks", 0).await;
    inside.becomes("names", 0).await;

    let slow = impatient(&server).await;
    let pause = stream::once(async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        piece()
    });
    let stands_still = Body::new(None, stream::iter([piece()]).chain(pause));
    let written = slow.write_data(&context, &half, stands_still).await;
    let told = written.expect_err("it may have been given up").to_string();
    assert!(
        told.contains("not executed") && told.contains("no chunk"),
        "{told}"
    );
    inside.becomes("chunks", 0).await;
    let info = store.object_info(&context, &half).await;
    assert_eq!(info, Err(BlobstoreError::NoSuchObject(half)));
}

/// A writer that was given up while it stood still names nothing, however late it comes to its end: the bytes
/// would not be there.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_given_up_does_not_come_to_its_end() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "o", 10).await.expect("write");
    let inside = Inside::of(&server).await;
    let (mut sender, pieces) = mpsc::channel(8);
    sender.try_send(piece()).expect("it is taken");
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        let context = CallContext::with_budget(Duration::from_secs(600));
        let body = Body::new(None, pieces);
        writer.write_data(&context, &object("o"), body).await
    });
    inside.reaches("chunks", 1 + 4).await;
    // Its own patience is a minute.
    let collector = impatient(&server).await;
    inside.becomes("chunks", 1).await;
    drop(collector);
    drop(sender);
    let written = writing.await.expect("it does not panic");
    let Err(BlobstoreError::Fault(fault)) = written else {
        panic!("{written:?}");
    };
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    assert!(fault.to_string().contains("taken for lost"), "{fault}");
    inside.becomes("chunks", 1).await;
    assert_eq!(read(&store, "o").await, bytes(10));
}

/// Who has written into a container that was emptied or removed meanwhile hears that it is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_into_a_container_that_was_emptied_is_told() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    let context = CallContext::default();
    let inside = Inside::of(&server).await;
    for how in ["emptied", "removed"] {
        made(&store).await;
        let (mut sender, pieces) = mpsc::channel(8);
        sender.try_send(piece()).expect("it is taken");
        let writer = store.clone();
        let writing = tokio::spawn(async move {
            let body = Body::new(None, pieces);
            let context = CallContext::default();
            writer.write_data(&context, &object(how), body).await
        });
        let began = doc! { "name": how };
        while inside
            .collection("names")
            .count_documents(began.clone())
            .await
            .expect("count")
            == 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match how {
            "emptied" => store.clear(&context, &container()).await,
            _ => store.delete_container(&context, &container()).await,
        }
        .expect("done");
        drop(sender);
        let written = writing.await.expect("it does not panic");
        match how {
            "emptied" => assert!(
                matches!(&written, Err(BlobstoreError::Fault(fault)) if fault.to_string().contains("emptied")),
                "{written:?}"
            ),
            _ => assert_eq!(written, Err(BlobstoreError::NoSuchContainer(container()))),
        }
    }
}
