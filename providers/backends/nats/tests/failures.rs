//! A server that stops, dies, comes back, and keeps what was not ours.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, kv};
use bytes::Bytes;
use futures::StreamExt as _;
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueError, Limit, SwapOutcome};
use wrt_nats::{ConnectError, Nats, NatsConfig};
use wrt_protocol::{Execution, FaultKind};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::NatsServer;

const GRACE: Duration = Duration::from_millis(100);
const SHORT: Duration = Duration::from_millis(300);

fn config(server: &NatsServer) -> NatsConfig {
    NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    }
}

async fn connect(server: &NatsServer) -> Nats {
    Nats::connect_with(config(server)).await.expect("connect")
}

/// What any other client of the server sees.
async fn other(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.expect("connect"))
}

fn key() -> Key {
    Key::new("key").expect("a legal key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_ends_calls_in_time() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    let bucket = Bucket::default();
    let sum = store
        .increment(&CallContext::default(), &bucket, &key(), 1)
        .await;
    assert_eq!(sum, Ok(1));
    server.pause().expect("pause");
    for _call in 0..3 {
        let started = Instant::now();
        let context = CallContext::with_budget(SHORT);
        let set = store
            .set(&context, &bucket, &key(), Bytes::from_static(b"7"))
            .await;
        let Err(KeyValueError::Fault(fault)) = set else {
            panic!("{set:?}");
        };
        assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        assert!(started.elapsed() < SHORT + GRACE, "{:?}", started.elapsed());
    }
    server.resume().expect("resume");
    store
        .probe(&CallContext::default())
        .await
        .expect("it answers again");
    let sum = store
        .increment(&CallContext::default(), &bucket, &key(), 1)
        .await;
    assert!(
        matches!(sum, Ok(2 | 8)),
        "the sets are done or not: {sum:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_late_is_done_once() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    let (bucket, context) = (Bucket::default(), CallContext::default());
    store
        .increment(&context, &bucket, &key(), 1)
        .await
        .expect("increment");
    let read = store
        .read_for_swap(&context, &bucket, &key())
        .await
        .expect("read");
    server.pause().expect("pause");
    let (key, value) = (key(), Bytes::from_static(b"2"));
    let swap = store.swap(&context, &bucket, &key, &read.version, value);
    let resume = async {
        // Longer than two attempts wait: the server finds several of them when it goes on.
        tokio::time::sleep(Duration::from_millis(1800)).await;
        server.resume().expect("resume");
    };
    let (swap, ()) = tokio::join!(swap, resume);
    assert_eq!(
        swap,
        Ok(SwapOutcome::Swapped),
        "it did not fail because of itself"
    );
    assert_eq!(store.increment(&context, &bucket, &key, 1).await, Ok(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_unavailable_and_a_restarted_one_is_used_again() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    let (bucket, context) = (Bucket::default(), CallContext::default());
    store
        .increment(&context, &bucket, &key(), 1)
        .await
        .expect("increment");
    server.kill().expect("kill");
    let gone = Instant::now();
    loop {
        let get = store
            .get(&CallContext::with_budget(SHORT), &bucket, &key())
            .await;
        let Err(KeyValueError::Fault(fault)) = get else {
            panic!("a dead server answers");
        };
        if fault.execution() == Execution::NotExecuted {
            assert_eq!(fault.kind(), FaultKind::Unavailable);
            break;
        }
        assert!(gone.elapsed() < Duration::from_secs(2), "{fault}");
    }
    server.restart().expect("restart");
    let back = Instant::now();
    loop {
        match store
            .increment(&CallContext::default(), &bucket, &key(), 1)
            .await
        {
            Ok(sum) => break assert_eq!(sum, 2, "the bucket is still there"),
            Err(error) => assert!(back.elapsed() < Duration::from_secs(5), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_is_an_error_that_names_it() {
    let port = wrt_test_servers::free_port().expect("a port");
    let url = ServiceAddress::new(format!("nats://user:secret@127.0.0.1:{port}"));
    let config = NatsConfig {
        url,
        ..NatsConfig::default()
    };
    let error = Nats::connect_with(config)
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }));
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tools_see_ordinary_buckets() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    let (bucket, context) = (Bucket::default(), CallContext::default());
    store
        .set(&context, &bucket, &key(), Bytes::from_static(b"41"))
        .await
        .expect("set");
    let other = other(&server)
        .await
        .get_key_value("guest-_-default")
        .await
        .expect("the bucket");
    let status = other.status().await.expect("status");
    assert_eq!(
        status.max_age(),
        Duration::ZERO,
        "nothing expires by itself"
    );
    assert_eq!(
        other.get("key").await.expect("get").as_deref(),
        Some(&b"41"[..])
    );
    other.put("key", "1".into()).await.expect("put");
    assert_eq!(store.increment(&context, &bucket, &key(), 1).await, Ok(2));
    other.delete("key").await.expect("delete");
    assert_eq!(store.get(&context, &bucket, &key()).await, Ok(None));
    store
        .set(&context, &bucket, &key(), Bytes::from_static(b"x"))
        .await
        .expect("set");
    store
        .delete(&context, &bucket, &key())
        .await
        .expect("delete");
    assert_eq!(other.get("key").await.expect("get"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_removed_is_made_again() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    let (bucket, context) = (Bucket::default(), CallContext::default());
    store
        .increment(&context, &bucket, &key(), 5)
        .await
        .expect("increment");
    other(&server)
        .await
        .delete_key_value("guest-_-default")
        .await
        .expect("delete the bucket");
    assert_eq!(store.get(&context, &bucket, &key()).await, Ok(None));
    assert_eq!(store.increment(&context, &bucket, &key(), 1).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reaches_only_the_buckets_of_its_provider() {
    let server = NatsServer::start().expect("nats-server");
    let config_of_lattice = kv::Config {
        bucket: "lattice".to_owned(),
        ..kv::Config::default()
    };
    let lattice = other(&server)
        .await
        .create_key_value(config_of_lattice)
        .await
        .expect("create");
    lattice.put("key", "manifest".into()).await.expect("put");
    let store = connect(&server).await;
    let context = CallContext::default();
    let lattice = Bucket::new("lattice").expect("a legal name");
    assert_eq!(store.get(&context, &lattice, &key()).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_and_values_have_limits() {
    let server = NatsServer::start().expect("nats-server");
    let config = NatsConfig {
        buckets_max: 2,
        ..config(&server)
    };
    let store = Nats::connect_with(config).await.expect("connect");
    let context = CallContext::default();
    let set = async |bucket: &str, bytes: usize| {
        let bucket = Bucket::new(bucket).expect("a legal name");
        store
            .set(&context, &bucket, &key(), vec![0; bytes].into())
            .await
    };
    assert_eq!(set("one", 1).await, Ok(()));
    assert_eq!(set("two", 1).await, Ok(()));
    let refused = set("three", 1).await;
    let is_limit = |refused: &Result<(), KeyValueError>, what: Limit| matches!(refused, Err(KeyValueError::OverLimit { limit, .. }) if *limit == what);
    assert!(is_limit(&refused, Limit::Buckets), "{refused:?}");
    assert_eq!(set("one", 2).await, Ok(()));
    let refused = set("one", 2 * 1024 * 1024).await;
    assert!(is_limit(&refused, Limit::ValueBytes), "{refused:?}");
}

/// What an operator sets on a stream is theirs: it is opened as it is.
#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_an_operator_edits_are_used_as_they_are() {
    let server = NatsServer::start().expect("nats-server");
    let connect = async || {
        let config = NatsConfig {
            deduplicate_for_ms: Some(11_000),
            ..config(&server)
        };
        Nats::connect_with(config).await.expect("connect")
    };
    let bucket = Bucket::default();
    let add = async |store: &Nats| {
        let context = CallContext::default().for_operation();
        store.increment(&context, &bucket, &key(), 1).await
    };
    let before = connect().await;
    assert_eq!(add(&before).await, Ok(1));
    let operator = other(&server).await;
    let names: Vec<_> = operator.stream_names().collect().await;
    assert!(names.len() >= 2, "a bucket and its answers: {names:?}");
    let mut edited = Vec::new();
    for name in names {
        let name = name.expect("a name");
        let stream = operator.get_stream(&name).await.expect("it is there");
        let mut config = stream.cached_info().config.clone();
        config.description = Some("of the operator".to_owned());
        config.max_bytes = 64 * 1024 * 1024;
        config.compression = Some(jetstream::stream::Compression::S2);
        operator.update_stream(&config).await.expect("it can be");
        let now = operator.get_stream(&name).await.expect("it is there");
        edited.push((name, now.cached_info().config.clone()));
    }
    for (count, store) in (2..).zip([&before, &connect().await]) {
        assert_eq!(add(store).await, Ok(count));
    }
    for (name, config) in edited {
        let now = operator.get_stream(&name).await.expect("it is there");
        assert_eq!(now.cached_info().config, config, "{name} is the operator's");
    }
}

/// It was told as a resource that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_told_as_such() {
    let server = NatsServer::start().expect("nats-server");
    server.configure("").expect("configure");
    server.restart().expect("restart");
    let store = connect(&server).await;
    let context = CallContext::with_budget(SHORT);
    let probed = store.probe(&context).await.expect_err("there is none");
    let bucket = Bucket::default();
    let get = store.get(&CallContext::default(), &bucket, &key()).await;
    for told in [
        probed.to_string(),
        get.expect_err("there is none").to_string(),
    ] {
        let is_told = told.contains("nats: JetStream does not answer: enable it");
        assert!(is_told && !told.contains("does not exist"), "{told}");
    }
}
