//! Settings from a bucket: the suite, changes, and a bucket that is not there, or no longer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, kv};
use wrt_config::{
    ConfigError, ConfigStore, ConfigStoreInterface, conformance, limits::VALUE_BYTES_MAX,
};
use wrt_contract::CallContext;
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_kit::everywhere;
use wrt_test_servers::NatsServer;

const BUCKET: &str = "settings";
const CHANGES_WITHIN: Duration = Duration::from_secs(20);
/// Longer than it takes to notice that a bucket is gone, and to try again.
const A_WHILE: Duration = Duration::from_secs(4);

async fn connect(server: &NatsServer) -> Nats {
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        config_bucket: Some(BUCKET.to_owned()),
        ..NatsConfig::default()
    };
    Nats::connect_with(config).await.expect("connect")
}

/// What any other client of the server sees.
async fn other(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.expect("connect"))
}

async fn make_bucket(jetstream: &jetstream::Context) -> kv::Store {
    let config = kv::Config {
        bucket: BUCKET.to_owned(),
        ..kv::Config::default()
    };
    jetstream.create_key_value(config).await.expect("a bucket")
}

async fn put(bucket: &kv::Store, key: &str, value: impl AsRef<[u8]>) {
    let value = value.as_ref().to_vec().into();
    bucket.put(key, value).await.expect("put");
}

async fn greeting(store: &Nats) -> Result<Option<String>, ConfigError> {
    get(store, "greeting").await
}

async fn get(store: &Nats, key: &str) -> Result<Option<String>, ConfigError> {
    store.get(&CallContext::default(), key).await
}

async fn eventually(store: &Nats, is_right: impl Fn(&Result<Option<String>, ConfigError>) -> bool) {
    let started = Instant::now();
    loop {
        let seen = greeting(store).await;
        if is_right(&seen) {
            return;
        }
        assert!(started.elapsed() < CHANGES_WITHIN, "still {seen:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fails unless the greeting stays what it is, all the while.
async fn stays(store: &Nats, value: &str) {
    let started = Instant::now();
    while started.elapsed() < A_WHILE {
        assert_eq!(greeting(store).await, Ok(Some(value.to_owned())));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let bucket = make_bucket(&other(&server).await).await;
    for (key, value) in conformance::values() {
        put(&bucket, &key, value).await;
    }
    let store = Arc::new(connect(&server).await);
    everywhere::<ConfigStoreInterface>(store, conformance::run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen() {
    let server = NatsServer::start().expect("nats-server");
    let bucket = make_bucket(&other(&server).await).await;
    let store = connect(&server).await;
    assert_eq!(greeting(&store).await, Ok(None), "an empty bucket is one");
    put(&bucket, "greeting", "hello").await;
    eventually(&store, |seen| *seen == Ok(Some("hello".to_owned()))).await;
    put(&bucket, "greeting", "good day").await;
    eventually(&store, |seen| *seen == Ok(Some("good day".to_owned()))).await;
    put(&bucket, "greeting", b"\xff").await;
    eventually(&store, |seen| {
        seen.as_ref()
            .is_err_and(|error| error.to_string().contains("not text"))
    })
    .await;
    bucket.delete("greeting").await.expect("delete");
    eventually(&store, |seen| *seen == Ok(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_an_error_until_it_does() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server).await;
    let error = greeting(&store).await.expect_err("there is no bucket");
    assert!(matches!(error, ConfigError::Upstream(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(BUCKET) && text.contains("nats kv add"),
        "{text}"
    );
    let bucket = make_bucket(&other(&server).await).await;
    put(&bucket, "greeting", "hello").await;
    eventually(&store, |seen| *seen == Ok(Some("hello".to_owned()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_removed_or_emptied_leaves_the_last_known_settings() {
    let server = NatsServer::start().expect("nats-server");
    let jetstream = other(&server).await;
    let bucket = make_bucket(&jetstream).await;
    put(&bucket, "greeting", "hello").await;
    let store = connect(&server).await;
    assert_eq!(greeting(&store).await, Ok(Some("hello".to_owned())));

    bucket.stream.purge().await.expect("purge");
    stays(&store, "hello").await;
    jetstream.delete_key_value(BUCKET).await.expect("delete");
    stays(&store, "hello").await;
    let bucket = make_bucket(&jetstream).await;
    stays(&store, "hello").await;
    put(&bucket, "greeting", "back again").await;
    eventually(&store, |seen| *seen == Ok(Some("back again".to_owned()))).await;
}

/// The bug: all messages were counted, so the mark of one deleted key hid that another was purged.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_purged_goes_without_a_mark() {
    let server = NatsServer::start().expect("nats-server");
    let bucket = make_bucket(&other(&server).await).await;
    for key in ["greeting", "other", "third"] {
        put(&bucket, key, key).await;
    }
    let store = connect(&server).await;
    eventually(&store, |seen| *seen == Ok(Some("greeting".to_owned()))).await;
    bucket.delete("third").await.expect("delete");
    let subject = format!("$KV.{BUCKET}.greeting");
    bucket.stream.purge().filter(subject).await.expect("purge");
    eventually(&store, |seen| *seen == Ok(None)).await;
    assert_eq!(get(&store, "other").await, Ok(Some("other".to_owned())));
    assert_eq!(get(&store, "third").await, Ok(None));
}

/// The bug: the first key of a bucket that was made anew took all others away.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_made_anew_takes_nothing_away() {
    let server = NatsServer::start().expect("nats-server");
    let jetstream = other(&server).await;
    let bucket = make_bucket(&jetstream).await;
    put(&bucket, "greeting", "hello").await;
    put(&bucket, "other", "old").await;
    let store = connect(&server).await;
    eventually(&store, |seen| *seen == Ok(Some("hello".to_owned()))).await;

    jetstream.delete_key_value(BUCKET).await.expect("delete");
    let bucket = make_bucket(&jetstream).await;
    put(&bucket, "other", "new").await;
    let started = Instant::now();
    while get(&store, "other").await != Ok(Some("new".to_owned())) {
        assert!(started.elapsed() < CHANGES_WITHIN, "it is not followed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stays(&store, "hello").await;
    // Read once more, because a key is gone: what the new bucket never had is still not missed.
    let subject = format!("$KV.{BUCKET}.other");
    put(&bucket, "third", "3").await;
    bucket.stream.purge().filter(subject).await.expect("purge");
    stays(&store, "hello").await;
    assert_eq!(get(&store, "other").await, Ok(None));
    bucket.delete("greeting").await.expect("delete");
    eventually(&store, |seen| *seen == Ok(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_a_limit_leaves_the_last_known_settings() {
    let server = NatsServer::start().expect("nats-server");
    let bucket = make_bucket(&other(&server).await).await;
    put(&bucket, "greeting", "hello").await;
    let store = connect(&server).await;
    assert_eq!(greeting(&store).await, Ok(Some("hello".to_owned())));
    put(&bucket, "greeting", vec![b'x'; VALUE_BYTES_MAX + 1]).await;
    stays(&store, "hello").await;
    put(&bucket, "greeting", "short again").await;
    eventually(&store, |seen| *seen == Ok(Some("short again".to_owned()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_leaves_the_last_known_settings() {
    let server = NatsServer::start().expect("nats-server");
    let bucket = make_bucket(&other(&server).await).await;
    put(&bucket, "greeting", "hello").await;
    let store = connect(&server).await;
    assert_eq!(greeting(&store).await, Ok(Some("hello".to_owned())));
    server.kill().expect("kill");
    stays(&store, "hello").await;
    server.restart().expect("restart");
    let bucket = other(&server).await.get_key_value(BUCKET).await;
    put(&bucket.expect("it is on disk"), "greeting", "after all").await;
    eventually(&store, |seen| *seen == Ok(Some("after all".to_owned()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bucket_the_error_says_what_to_set() {
    let server = NatsServer::start().expect("nats-server");
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    };
    let store = Nats::connect_with(config).await.expect("connect");
    let error = greeting(&store).await.expect_err("no bucket is named");
    assert!(error.to_string().contains("config_bucket"), "{error}");
}
