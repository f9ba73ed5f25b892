//! Operations that come again, from another node or after another deploy.

use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValue};
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::NatsServer;

async fn connect(server: &NatsServer, deduplicate_for_ms: Option<u64>) -> Nats {
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        deduplicate_for_ms,
        ..NatsConfig::default()
    };
    Nats::connect_with(config).await.expect("connect")
}

fn key(name: &str) -> Key {
    Key::new(name).expect("a legal key")
}

fn again(first: &CallContext) -> CallContext {
    let key = first.key().expect("it is the context of an operation");
    CallContext::default().with_attempt(key, 2)
}

/// What the tools of NATS say of a stream.
async fn info(server: &NatsServer, stream: &str) -> jetstream::stream::Info {
    let client = async_nats::connect(server.url()).await.expect("connect");
    let stream = jetstream::new(client).get_stream(stream).await;
    stream.expect("the stream").cached_info().clone()
}

/// The bug: ids were drawn for each write, so a set whose answer was lost was done once more by the
/// node that repeated it, over what another one had set meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_comes_again_elsewhere_is_not_done_again() {
    let server = NatsServer::start().expect("nats-server");
    let (here, there) = (connect(&server, None).await, connect(&server, None).await);
    let bucket = Bucket::default();
    let set = async |store: &Nats, context: &CallContext, value: &'static str| {
        let value = Bytes::from_static(value.as_bytes());
        let set = store.set(context, &bucket, &key("key"), value).await;
        set.expect("set");
    };
    let get = async || {
        let got = there
            .get(&CallContext::default(), &bucket, &key("key"))
            .await;
        got.expect("get")
    };
    let first = CallContext::default().for_operation();
    set(&here, &first, "first").await;
    set(&there, &CallContext::default().for_operation(), "later").await;
    set(&there, &again(&first), "first").await;
    assert_eq!(get().await.as_deref(), Some(&b"later"[..]));

    let delete = async |store: &Nats, context: &CallContext| {
        let deleted = store.delete(context, &bucket, &key("key")).await;
        deleted.expect("delete");
    };
    let first = CallContext::default().for_operation();
    delete(&here, &first).await;
    assert_eq!(get().await, None);
    set(&there, &CallContext::default().for_operation(), "later").await;
    delete(&there, &again(&first)).await;
    assert_eq!(get().await.as_deref(), Some(&b"later"[..]));
}

/// The entries of a batch are one operation, and each is a write.
#[tokio::test(flavor = "multi_thread")]
async fn each_entry_of_a_batch_is_written() {
    let server = NatsServer::start().expect("nats-server");
    for deduplicate_for_ms in [None, Some(11_000)] {
        let store = connect(&server, deduplicate_for_ms).await;
        let (bucket, context) = (Bucket::default(), CallContext::default().for_operation());
        let keys = ["a", "b", "c"].map(key);
        let entry = |key: &Key| (key.clone(), Bytes::from_static(b"1"));
        let entries: Vec<_> = keys.iter().map(entry).collect();
        let set = store.set_many(&context, &bucket, &entries).await;
        set.expect("set");
        let got = store.get_many(&context, &bucket, &keys).await;
        assert!(got.expect("get").iter().all(Option::is_some));
        let context = CallContext::default().for_operation();
        let deleted = store.delete_many(&context, &bucket, &keys).await;
        deleted.expect("delete");
        let got = store.get_many(&context, &bucket, &keys).await;
        assert!(got.expect("get").iter().all(Option::is_none));
    }
}

/// The bug: told to deduplicate for longer than before, it was ready and failed every increment.
#[tokio::test(flavor = "multi_thread")]
async fn a_longer_time_to_deduplicate_for_is_taken_over() {
    let server = NatsServer::start().expect("nats-server");
    let bucket = Bucket::default();
    let mut sum = 0;
    let first = CallContext::default().for_operation();
    for (millis, expected) in [(11_000, 11_000), (60_000, 60_000), (12_000, 60_000)] {
        let store = connect(&server, Some(millis)).await;
        let probe = store.probe(&CallContext::default()).await;
        probe.expect("it is ready");
        let kept = info(&server, "KV_guest-_-_answers").await.config.max_age;
        assert_eq!(kept, Duration::from_millis(expected));
        for context in [&first, &CallContext::default().for_operation()] {
            let added = store.increment(context, &bucket, &key("n"), 1).await;
            if context.key() == first.key() {
                sum = sum.max(1);
                assert_eq!(added, Ok(1), "the answers that were there still are");
            } else {
                sum += 1;
                assert_eq!(added, Ok(sum));
            }
        }
    }
}
