//! The desired state, in a real JetStream.

#![cfg(test)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use wrt_deployment::{DesiredApp, DesiredProvider, Digest, Pushed, Snapshot, Store, StoreError};
use wrt_protocol::{LatticeName, Name};
use wrt_test_servers::NatsServer;

const PATIENCE: Duration = Duration::from_secs(20);

fn lattice() -> LatticeName {
    LatticeName::new("test").unwrap()
}

async fn client(server: &NatsServer) -> async_nats::Client {
    async_nats::connect(server.url()).await.unwrap()
}

async fn store(server: &NatsServer) -> Store {
    Store::open(client(server).await, &lattice()).await.unwrap()
}

fn app(name: &str, port: u16) -> DesiredApp {
    let mut app = DesiredApp::empty(Name::new(name).unwrap());
    let mut web = DesiredProvider::new("http-server");
    web.address = Some(format!("127.0.0.1:{port}"));
    app.providers.insert(Name::new("web").unwrap(), web);
    app
}

async fn next(snapshots: &mut (impl Stream<Item = Arc<Snapshot>> + Unpin)) -> Arc<Snapshot> {
    let next = tokio::time::timeout(PATIENCE, snapshots.next()).await;
    next.expect("a change comes in time")
        .expect("the stream does not end")
}

#[tokio::test]
async fn an_app_changes_only_from_the_revision_that_was_read() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    let name = Name::new("shop").unwrap();
    assert_eq!(store.app(&name).await.unwrap(), None);

    let first = store.put(&app("shop", 1), None).await.unwrap();
    let conflict = store.put(&app("shop", 2), None).await.unwrap_err();
    assert!(
        matches!(conflict, StoreError::Conflict { .. }),
        "{conflict}"
    );

    let second = store.put(&app("shop", 2), Some(first)).await.unwrap();
    assert!(second > first);
    let conflict = store.put(&app("shop", 3), Some(first)).await.unwrap_err();
    assert!(
        matches!(conflict, StoreError::Conflict { .. }),
        "{conflict}"
    );

    let stored = store.app(&name).await.unwrap().unwrap();
    assert_eq!((stored.revision, stored.app), (second, app("shop", 2)));

    assert!(store.delete(&name).await.unwrap());
    assert!(!store.delete(&name).await.unwrap());
    assert_eq!(store.app(&name).await.unwrap(), None);
    store.put(&app("shop", 4), None).await.unwrap();
}

#[tokio::test]
async fn a_store_opens_for_many_at_once() {
    let server = NatsServer::start().unwrap();
    let client = client(&server).await;
    let lattice = lattice();
    let opens = (0..16).map(|_| Store::open(client.clone(), &lattice));
    for opened in futures::future::join_all(opens).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn components_are_stored_once_and_checked_when_read() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    // Several chunks of the object store.
    let bytes: Bytes = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    let (digest, pushed) = store.push(&bytes).await.unwrap();
    assert_eq!((digest, pushed), (Digest::of(&bytes), Pushed::New));
    assert_eq!(store.push(&bytes).await.unwrap().1, Pushed::AlreadyThere);
    assert_eq!(store.fetch(digest).await.unwrap(), bytes);

    let absent = Digest::of(b"absent");
    let error = store.fetch(absent).await.unwrap_err();
    assert!(
        matches!(error, StoreError::NoComponent { digest } if digest == absent),
        "{error}"
    );

    // Somebody puts other bytes under the name of a component.
    let context = async_nats::jetstream::new(client(&server).await);
    let objects = context
        .get_object_store("wrt-test-components")
        .await
        .unwrap();
    objects
        .put(absent.to_hex().as_str(), &mut &b"other"[..])
        .await
        .unwrap();
    let error = store.fetch(absent).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn changes_are_seen_and_what_cannot_be_read_is_told_apart() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    store.put(&app("shop", 1), None).await.unwrap();
    let mut snapshots = Box::pin(store.watch());
    assert_eq!(next(&mut snapshots).await.apps.len(), 1);

    store.put(&app("blog", 2), None).await.unwrap();
    assert_eq!(next(&mut snapshots).await.apps.len(), 2);

    let context = async_nats::jetstream::new(client(&server).await);
    let bucket = context.get_key_value("wrt-test-desired").await.unwrap();
    bucket
        .put("later", Bytes::from_static(br#"{"version":9}"#))
        .await
        .unwrap();
    let snapshot = next(&mut snapshots).await;
    assert_eq!(snapshot.apps.len(), 2);
    assert!(
        snapshot.unreadable["later"].reason.contains("form 9"),
        "{snapshot:?}"
    );

    assert!(store.delete(&Name::new("shop").unwrap()).await.unwrap());
    let names: BTreeMap<_, _> = next(&mut snapshots).await.apps.clone();
    assert_eq!(names.keys().map(Name::as_str).collect::<Vec<_>>(), ["blog"]);
}

/// The watch lives on the server; a restart loses it, and changes made then must still be seen.
#[tokio::test]
async fn a_change_made_around_a_restart_of_the_server_is_seen() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    store.put(&app("shop", 1), None).await.unwrap();
    let mut snapshots = Box::pin(store.watch());
    assert_eq!(next(&mut snapshots).await.apps.len(), 1);

    server.kill().unwrap();
    server.restart().unwrap();
    let other = Store::open(client(&server).await, &lattice())
        .await
        .unwrap();
    other.put(&app("blog", 2), None).await.unwrap();
    assert_eq!(next(&mut snapshots).await.apps.len(), 2);
}

#[tokio::test]
async fn a_server_without_jetstream_or_without_life_is_an_error_in_time() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    server.pause().unwrap();
    let begun = std::time::Instant::now();
    let error = store.put(&app("shop", 1), None).await.unwrap_err();
    server.resume().unwrap();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert!(
        matches!(
            error,
            StoreError::TimedOut { .. } | StoreError::Failed { .. }
        ),
        "{error:?}"
    );
}
