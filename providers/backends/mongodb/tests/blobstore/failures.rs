//! A server that stops, dies, comes back, or does not let in.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, channel::mpsc};
use mongodb::bson::doc;
use wrt_blobstore::{Blobstore as _, BlobstoreError, ByteRange};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_mongodb::{ConnectError, MongoDb, MongoDbConfig};
use wrt_protocol::{Execution, FaultKind};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::{MongoDbServer, free_port};

use super::support::{Inside, LIMIT, bytes, config, connect, container, made, object, read, write};

const GRACE: Duration = Duration::from_millis(100);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_ends_calls_in_time() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    server.pause().expect("pause");
    let calls = (0..20).map(|_| async {
        let (started, context) = (Instant::now(), CallContext::with_budget(SHORT));
        let answer = store.container_info(&context, &container()).await;
        (answer, started.elapsed())
    });
    for (answer, elapsed) in futures::future::join_all(calls).await {
        let Err(BlobstoreError::Fault(fault)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
        assert!(elapsed < SHORT + GRACE, "{elapsed:?}");
    }
    let probe = store.probe(&CallContext::with_budget(SHORT)).await;
    probe.expect_err("it does not answer");
    server.resume().expect("resume");
    store
        .probe(&CallContext::default())
        .await
        .expect("it answers again");
    write(&store, "o", 10).await.expect("write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_unavailable_and_a_restarted_one_is_used_again() {
    let server = MongoDbServer::start().expect("mongodb");
    server.restart_keeping_all().expect("restart");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "o", 600_000).await.expect("write");
    server.kill().expect("kill");
    let gone = Instant::now();
    // The client hears of it within moments; until then a command may have been sent.
    loop {
        let written = write(&store, "p", 10).await;
        let Err(BlobstoreError::Fault(fault)) = written else {
            panic!("a dead server answers: {written:?}");
        };
        assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
        if fault.execution() == Execution::NotExecuted
            && fault.detail().contains("directConnection")
        {
            break;
        }
        assert!(gone.elapsed() < LIMIT, "{fault}");
    }
    server.restart().expect("restart");
    write(&store, "p", 10)
        .await
        .expect("the first call after the restart reaches it");
    assert!(read(&store, "o").await == bytes(600_000));
}

/// Each batch is a command of its own: who reads and who writes go on when the server is there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_restarted_meanwhile_does_not_end_a_reading() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "o", 6_000_000).await.expect("write");
    let (context, object) = (CallContext::default(), object("o"));
    let body = store.get_data(&context, &object, ByteRange::WHOLE);
    let mut body = body.await.expect("open");
    let BodyFrame::Data(first) = body.next().await.expect("a piece").expect("of bytes") else {
        panic!("trailers");
    };
    server.restart().expect("restart");
    let rest = body.collect(1 << 23).await;
    match rest {
        Ok(rest) => assert!([first, rest].concat() == bytes(6_000_000)),
        // What was asked for when it was killed has no answer.
        Err(error) => assert!(matches!(error, BlobstoreError::Fault(_)), "{error}"),
    }
    assert!(read(&store, "o").await == bytes(6_000_000));
}

/// A writer hears that the server was lost, and what was there is what it was; nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_meanwhile_ends_a_write() {
    let server = MongoDbServer::start().expect("mongodb");
    server.restart_keeping_all().expect("restart");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "o", 10).await.expect("write");
    let inside = Inside::of(&server).await;
    let (mut sender, pieces) = mpsc::channel(8);
    let piece = || Ok(BodyFrame::Data(bytes(1_100_000)));
    sender.try_send(piece()).expect("it is taken");
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        let body = Body::new(None, pieces);
        let context = CallContext::with_budget(LIMIT);
        writer.write_data(&context, &object("o"), body).await
    });
    inside.reaches("chunks", 1 + 4).await;
    server.kill().expect("kill");
    for _more in 0..4 {
        sender.try_send(piece()).expect("it is taken");
    }
    drop(sender);
    let written = writing.await.expect("it does not panic");
    let Err(BlobstoreError::Fault(fault)) = written else {
        panic!("{written:?}");
    };
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    server.restart().expect("restart");
    assert_eq!(read(&store, "o").await, bytes(10));
    let _collector = MongoDb::connect_with(MongoDbConfig {
        unnamed_bytes_kept_for_ms: 1000,
        ..config(&server)
    })
    .await
    .expect("connect");
    inside.becomes("chunks", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_why_and_no_password() {
    let server = MongoDbServer::start().expect("mongodb");
    let inside = Inside::of(&server).await;
    let user = doc! {
        "createUser": "bob",
        "pwd": "right",
        "roles": [{ "role": "readWrite", "db": &config(&server).database }],
    };
    let user = inside.database.run_command(user).await;
    user.expect("a user is made");
    server.restart_asking_who_is_there().expect("restart");
    let database = config(&server).database;
    let with = |login: &str| {
        let url = server.url().replace("//", &format!("//{login}@"));
        let url = format!("{url}&authSource={database}");
        MongoDbConfig {
            url: ServiceAddress::new(url),
            ..config(&server)
        }
    };
    let right = MongoDb::connect_with(with("bob:right")).await;
    let right = right.expect("it is let in");
    made(&right).await;
    let nobody = MongoDbConfig {
        url: ServiceAddress::new(server.url()),
        ..config(&server)
    };
    for (config, advice) in [
        (with("bob:wrongly"), "password"),
        (with("eve:wrongly"), "password"),
        (nobody, "readWrite"),
    ] {
        let refused = MongoDb::connect_with(config).await;
        let error = refused.expect_err("it is not let in");
        let told = format!("{error} {error:?}");
        assert!(matches!(error, ConnectError::Refused { .. }), "{told}");
        assert!(MongoDb::is_for_good(&error), "{told}");
        assert!(told.contains(advice), "{told}");
        assert!(!told.contains("wrongly"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_and_no_url_are_errors_that_say_what_to_do() {
    let port = free_port().expect("a port");
    let with = |url: &str| MongoDbConfig {
        url: ServiceAddress::new(url),
        ..MongoDbConfig::default()
    };
    let url = format!("mongodb://bob:secret@127.0.0.1:{port}");
    for (url, is_for_good, advice) in [
        (url.as_str(), false, "directConnection=true"),
        ("mongodb://bob:se/cret@h", true, "escaped"),
        (
            "mongodb://bob:secret@h/?w=secret&authMechanism=secret",
            true,
            "not a URL",
        ),
        ("redis://h", true, "redis"),
        ("mongodb+srv://h", true, "not a URL"),
    ] {
        let refused = MongoDb::connect_with(with(url)).await;
        let error = refused.expect_err("there is nobody");
        let told = format!("{error} {error:?}");
        assert_eq!(MongoDb::is_for_good(&error), is_for_good, "{told}");
        assert!(told.contains(advice), "{told}");
        assert!(
            !told.contains("secret") && !told.contains("cret@"),
            "{told}"
        );
    }
}
