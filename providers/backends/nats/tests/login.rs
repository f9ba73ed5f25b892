//! A server that asks who one is.

use std::{error::Error as _, fs, iter, time::Duration};

use tokio::time::{Instant, sleep};
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValue as _};
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::NatsServer;

const SECRET: &str = "hu-sh";
const OTHER: &str = "wrong-one";
/// Longer than the pauses between two attempts to connect.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// A server that asks for `authorization`.
fn asking(authorization: &str) -> NatsServer {
    let server = NatsServer::start().expect("nats-server");
    asks(&server, authorization);
    server
}

fn asks(server: &NatsServer, authorization: &str) {
    let folder = server.jetstream_folder();
    let jetstream = format!("jetstream {{ store_dir: {folder:?} }}\n");
    let authorization = format!("authorization {{ {authorization} }}\n");
    server
        .configure(&(jetstream + &authorization))
        .expect("a configuration");
    server.stop().expect("stop");
    server.restart().expect("start");
}

/// The settings for a server, whose URL names `who`.
fn config(server: &NatsServer, who: &str) -> NatsConfig {
    let url = server.url().replace("nats://", &format!("nats://{who}"));
    NatsConfig {
        url: ServiceAddress::new(url),
        ..NatsConfig::default()
    }
}

async fn serves(config: NatsConfig) {
    let store = Nats::connect_with(config).await.expect("it is let in");
    let context = CallContext::default();
    store.probe(&context).await.expect("it answers");
    let (bucket, key) = (Bucket::default(), Key::new("key").expect("a legal key"));
    for _each in 0..2 {
        let sum = store.increment(&context, &bucket, &key, 1).await;
        sum.expect("it counts");
    }
}

/// Every setting of `config` that is wrong stays where it is.
async fn is_refused(config: NatsConfig) {
    let refused = Nats::connect_with(config).await.err();
    let refused = refused.expect("it is not let in");
    assert!(!Nats::is_for_good(&refused), "a server may change its mind");
    let chain: Vec<_> = iter::successors(refused.source(), |&error| error.source()).collect();
    let told = format!("{refused}: {chain:?} {refused:?}");
    assert!(told.contains("Authorization"), "{told}");
    assert!(!told.contains(OTHER), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_password() {
    let server = asking(&format!("user: bob, password: {SECRET}"));
    let with = |password: &str| NatsConfig {
        user: Some("bob".to_owned()),
        password: Some(password.into()),
        ..config(&server, "")
    };
    serves(with(SECRET)).await;
    serves(config(&server, &format!("bob:{SECRET}@"))).await;
    is_refused(with(OTHER)).await;
    is_refused(config(&server, &format!("bob:{OTHER}@"))).await;
    is_refused(config(&server, "")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token() {
    let server = asking(&format!("token: {SECRET}"));
    let with = |token: &str| NatsConfig {
        token: Some(token.into()),
        ..config(&server, "")
    };
    serves(with(SECRET)).await;
    serves(config(&server, &format!("{SECRET}@"))).await;
    is_refused(with(OTHER)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nkey() {
    let (mine, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let server = asking(&format!("users: [ {{ nkey: {} }} ]", mine.public_key()));
    let folder = tempfile::tempdir().expect("a folder");
    let with = |pair: &nkeys::KeyPair| {
        let file = folder.path().join(pair.public_key());
        fs::write(&file, pair.seed().expect("a seed")).expect("a file");
        NatsConfig {
            nkey_file: Some(file),
            ..config(&server, "")
        }
    };
    serves(with(&mine)).await;
    is_refused(with(&other)).await;
}

/// A password that is changed at the server is told by the probe, and nothing has to be started anew
/// when it is changed back.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_shut_out_comes_back() {
    let authorization = |password| format!("user: bob, password: {password}");
    let server = asking(&authorization(SECRET));
    let store = Nats::connect_with(config(&server, &format!("bob:{SECRET}@"))).await;
    let store = store.expect("it is let in");
    asks(&server, &authorization(OTHER));
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        let told = store.probe(&CallContext::default()).await;
        let told = told.expect_err("it is shut out").to_string();
        assert!(!told.contains(SECRET), "{told}");
        if told.contains("does not let it in") {
            break;
        }
        assert!(Instant::now() < end, "{told}");
        sleep(PAUSE).await;
    }
    asks(&server, &authorization(SECRET));
    let end = Instant::now() + SETTLED_WITHIN;
    while let Err(told) = store.probe(&CallContext::default()).await {
        assert!(Instant::now() < end, "{told}");
        sleep(PAUSE).await;
    }
}
