//! The desired state, followed by one watch, in a real JetStream.

#![cfg(test)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_nats::jetstream::{self, stream::Stream as JetStream};
use futures::{Stream, StreamExt};
use wrt_deployment::{DesiredApp, Reading, Sight, Store};
use wrt_protocol::{LatticeName, Name};
use wrt_test_servers::NatsServer;

const PATIENCE: Duration = Duration::from_secs(20);
const BUCKET: &str = "KV_wrt-test-desired";

fn app(name: &str) -> DesiredApp {
    DesiredApp::empty(Name::new(name).unwrap())
}

async fn store(server: &NatsServer) -> Store {
    let client = async_nats::connect(server.url()).await.unwrap();
    let lattice = LatticeName::new("test").unwrap();
    Store::make(client, &lattice, 1).await.unwrap()
}

async fn stream(server: &NatsServer) -> JetStream {
    let client = async_nats::connect(server.url()).await.unwrap();
    jetstream::new(client).get_stream(BUCKET).await.unwrap()
}

async fn next(sights: &mut (impl Stream<Item = Sight> + Unpin)) -> Arc<Reading> {
    let next = tokio::time::timeout(PATIENCE, sights.next()).await;
    let sight = next.expect("it is told in time");
    sight.expect("the stream does not end").unwrap()
}

/// The next reading that has these keys and no other.
async fn keys(sights: &mut (impl Stream<Item = Sight> + Unpin), expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    let reached = async {
        loop {
            let reading = next(sights).await;
            if reading
                .entries
                .keys()
                .map(String::as_str)
                .collect::<BTreeSet<_>>()
                == expected
            {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("it is so in time");
}

/// Each change made every node read all of it, by a consumer of its own.
#[tokio::test]
async fn a_change_is_seen_by_the_watch_that_read_the_others() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    store.put(&app("shop"), None).await.unwrap();
    let mut sights = Box::pin(store.watch());
    assert_eq!(next(&mut sights).await.entries.len(), 1);
    let stream = stream(&server).await;
    let consumers = async || {
        let names: Vec<_> = stream.consumer_names().collect().await;
        names.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let before = consumers().await;
    assert_eq!(before.len(), 1, "{before:?}");
    for at in 0..5 {
        store.put(&app(&format!("app-{at}")), None).await.unwrap();
        let reading = next(&mut sights).await;
        assert_eq!(reading.entries.len(), 2 + at);
        assert_eq!(reading.last.0, 2 + at as u64);
    }
    assert!(
        store
            .delete(&Name::new("shop").unwrap())
            .await
            .unwrap()
            .is_some()
    );
    let reading = next(&mut sights).await;
    assert_eq!(reading.entries["shop"].app, None, "its mark");
    assert_eq!(consumers().await, before);
}

/// No event tells of it, and a change that is made with it must not hide it.
#[tokio::test]
async fn what_vanishes_without_a_mark_is_seen_to_be_missing() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    for name in ["shop", "blog", "mail"] {
        store.put(&app(name), None).await.unwrap();
    }
    let mut sights = Box::pin(store.watch());
    keys(&mut sights, &["blog", "mail", "shop"]).await;
    let stream = stream(&server).await;
    stream
        .purge()
        .filter("$KV.wrt-test-desired.shop")
        .await
        .unwrap();
    store.put(&app("wiki"), None).await.unwrap();
    keys(&mut sights, &["blog", "mail", "wiki"]).await;
    stream.purge().await.unwrap();
    keys(&mut sights, &[]).await;
}

/// A bucket that was brought back from a copy goes on where the copy ended.
#[tokio::test]
async fn a_bucket_that_is_behind_is_read_anew() {
    let server = NatsServer::start().unwrap();
    let first = store(&server).await;
    for name in ["shop", "blog"] {
        first.put(&app(name), None).await.unwrap();
    }
    let mut sights = Box::pin(first.watch());
    keys(&mut sights, &["blog", "shop"]).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    jetstream::new(client).delete_stream(BUCKET).await.unwrap();
    let again = store(&server).await;
    again.put(&app("shop"), None).await.unwrap();
    let reached = async {
        loop {
            // It is told as well that there was none for a moment, where somebody looked then.
            let sight = sights.next().await.expect("the stream does not end");
            if let Ok(reading) = sight
                && reading.last.0 == 1
            {
                return reading;
            }
        }
    };
    let reading = tokio::time::timeout(PATIENCE, reached).await;
    let reading = reading.expect("it is seen in time");
    assert_eq!(reading.entries.keys().collect::<Vec<_>>(), ["shop"]);
}
