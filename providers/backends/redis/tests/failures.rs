//! A server that stops, dies, comes back, and keeps what was not ours.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueError};
use wrt_protocol::{Execution, FaultKind};
use wrt_redis::{ConnectError, Redis, RedisConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::RedisServer;

const GRACE: Duration = Duration::from_millis(100);
const SHORT: Duration = Duration::from_millis(300);

async fn connect(server: &RedisServer) -> Redis {
    let config = RedisConfig {
        url: ServiceAddress::new(server.url()),
        ..RedisConfig::default()
    };
    Redis::connect_with(config).await.expect("connect")
}

fn key() -> Key {
    Key::new("key").expect("a legal key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_ends_calls_in_time() {
    let server = RedisServer::start().expect("redis-server");
    let store = Arc::new(connect(&server).await);
    server.pause().expect("pause");
    let calls = (0..20).map(|_| {
        let store = Arc::clone(&store);
        async move {
            let started = Instant::now();
            let context = CallContext::with_budget(SHORT);
            let answer = store
                .increment(&context, &Bucket::default(), &key(), 1)
                .await;
            (answer, started.elapsed())
        }
    });
    for (answer, elapsed) in futures::future::join_all(calls).await {
        let Err(KeyValueError::Fault(fault)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        assert!(elapsed < SHORT + GRACE, "{elapsed:?}");
    }
    server.resume().expect("resume");
    let context = CallContext::default();
    store.probe(&context).await.expect("it answers again");
    let sum = store
        .increment(&context, &Bucket::default(), &key(), 1)
        .await
        .expect("increment");
    assert!(
        (1..=21).contains(&sum),
        "maybe executed, and never twice: {sum}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_unavailable_and_a_restarted_one_is_used_again() {
    let server = RedisServer::start().expect("redis-server");
    let store = connect(&server).await;
    let (bucket, key) = (Bucket::default(), key());
    let context = CallContext::default();
    store
        .set(&context, &bucket, &key, Bytes::from_static(b"1"))
        .await
        .expect("set");
    server.kill().expect("kill");
    let gone = Instant::now();
    // The client hears of it within moments; until then a command may have been sent.
    loop {
        let Err(KeyValueError::Fault(fault)) = store.increment(&context, &bucket, &key, 1).await
        else {
            panic!("a dead server answers");
        };
        assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
        if fault.execution() == Execution::NotExecuted {
            break;
        }
        assert!(gone.elapsed() < Duration::from_secs(2), "{fault}");
    }
    let started = Instant::now();
    let probe = store.probe(&CallContext::with_budget(SHORT)).await;
    let error = probe.expect_err("nobody is there");
    let fault = error.downcast_ref::<KeyValueError>();
    assert!(matches!(fault, Some(KeyValueError::Fault(_))), "{error:?}");
    assert!(started.elapsed() < SHORT + GRACE);

    server.restart().expect("restart");
    let sum = store
        .increment(&CallContext::default(), &bucket, &key, 1)
        .await;
    assert_eq!(
        sum,
        Ok(1),
        "the first call after the restart reaches it; its memory is empty"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_is_an_error_that_names_it() {
    let port = wrt_test_servers::free_port().expect("a port");
    let url = ServiceAddress::new(format!("redis://:secret@127.0.0.1:{port}"));
    let config = RedisConfig {
        url,
        ..RedisConfig::default()
    };
    let error = Redis::connect_with(config)
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }));
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_met_with_grace() {
    let server = RedisServer::start().expect("redis-server");
    let store = connect(&server).await;
    let client = redis::Client::open(server.url()).expect("client");
    let mut other = client
        .get_multiplexed_async_connection()
        .await
        .expect("connect");
    let _: () = redis::cmd("RPUSH")
        .arg("default:key")
        .arg("item")
        .query_async(&mut other)
        .await
        .expect("push");
    let _: () = redis::cmd("SET")
        .arg(b"default:\xff")
        .arg("x")
        .query_async(&mut other)
        .await
        .expect("set");
    let _: () = redis::cmd("SET")
        .arg("default:plain")
        .arg("41")
        .query_async(&mut other)
        .await
        .expect("set");

    let (context, bucket) = (CallContext::default(), Bucket::default());
    let plain = Key::new("plain").expect("a legal key");
    assert_eq!(store.increment(&context, &bucket, &plain, 1).await, Ok(42));
    let page = store
        .list_keys(&context, &bucket, None)
        .await
        .expect("list");
    assert_eq!(
        page.keys,
        std::slice::from_ref(&plain),
        "only what a guest can read"
    );
    let list = store.get(&context, &bucket, &key()).await;
    assert!(matches!(list, Err(KeyValueError::Other(_))), "{list:?}");
    let sum = store.increment(&context, &bucket, &key(), 1).await;
    assert_eq!(sum, Err(KeyValueError::NotAnInteger));
    let millis: i64 = redis::cmd("PTTL")
        .arg("default:plain")
        .query_async(&mut other)
        .await
        .expect("ttl");
    assert_eq!(millis, -1, "nothing expires by itself");
}

/// The bug: answers are the keys with a time to live, so such a server forgets them first, and an
/// increment that came again counted twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_keeps_no_answers() {
    let server = RedisServer::start().expect("redis-server");
    let client = redis::Client::open(server.url()).expect("client");
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = async |name: &str, value: &str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg(name).arg(value);
        let _: () = command.query_async(&mut other).await.expect("set");
    };
    let connect = async |deduplicate_for_ms| {
        let config = RedisConfig {
            url: ServiceAddress::new(server.url()),
            deduplicate_for_ms,
            ..RedisConfig::default()
        };
        Redis::connect_with(config).await
    };
    set("maxmemory", "100mb").await;
    for (policy, refused) in [
        ("volatile-ttl", true),
        ("allkeys-lru", true),
        ("noeviction", false),
    ] {
        set("maxmemory-policy", policy).await;
        connect(None).await.expect("it needs no answers");
        match connect(Some(11_000)).await {
            Ok(_) => assert!(!refused, "{policy}"),
            Err(error) => {
                assert!(refused && Redis::is_for_good(&error), "{error}");
                assert!(error.to_string().contains(policy), "{error}");
            }
        }
    }
}
