//! The desired state, in a real JetStream.

#![cfg(test)]

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use wrt_deployment::{
    Cordon, DesiredApp, DesiredProvider, Digest, Known, Pushed, Sight, Snapshot, Store, StoreError,
};
use wrt_protocol::{LatticeName, Name, NodeId};
use wrt_test_servers::NatsServer;

const PATIENCE: Duration = Duration::from_secs(20);

fn lattice() -> LatticeName {
    LatticeName::new("test").unwrap()
}

async fn client(server: &NatsServer) -> async_nats::Client {
    async_nats::connect(server.url()).await.unwrap()
}

async fn store(server: &NatsServer) -> Store {
    let client = client(server).await;
    Store::make(client, &lattice(), 1).await.unwrap()
}

/// As nodes open it.
async fn open(server: &NatsServer) -> Store {
    let opened = Store::open(client(server).await, &lattice()).await;
    opened.unwrap().expect("it is there")
}

fn app(name: &str, port: u16) -> DesiredApp {
    let mut app = DesiredApp::empty(Name::new(name).unwrap());
    let mut web = DesiredProvider::new("http-server");
    web.address = Some(format!("127.0.0.1:{port}"));
    app.providers.insert(Name::new("web").unwrap(), web);
    app
}

/// All of a component, as a node reads it.
async fn fetch(store: &Store, digest: Digest) -> Result<Bytes, StoreError> {
    let mut download = store.download(digest).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// Pushes a component for the app `shop`.
async fn push(store: &Store, bytes: &Bytes) -> (Digest, Pushed) {
    let shop = Name::new("shop").unwrap();
    store.push(&shop, bytes).await.unwrap()
}

/// What somebody who knows nothing else makes of the next reading.
async fn next(sights: &mut (impl Stream<Item = Sight> + Unpin)) -> Snapshot {
    let readable = async {
        loop {
            match sights.next().await.expect("the stream does not end") {
                Ok(reading) => return reading,
                Err(error) => println!("{error}"),
            }
        }
    };
    let reading = tokio::time::timeout(PATIENCE, readable).await;
    let mut known = Known::default();
    known.take(&reading.expect("a change comes in time"));
    known.snapshot()
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

    assert!(store.delete(&name).await.unwrap().is_some());
    assert!(store.delete(&name).await.unwrap().is_none());
    assert_eq!(store.app(&name).await.unwrap(), None);
    store.put(&app("shop", 4), None).await.unwrap();
}

#[tokio::test]
async fn a_store_opens_for_many_at_once() {
    let server = NatsServer::start().unwrap();
    let (client, lattice) = (client(&server).await, lattice());
    let opens = (0..16).map(|_| Store::make(client.clone(), &lattice, 1));
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
    let (digest, pushed) = push(&store, &bytes).await;
    assert_eq!((digest, pushed), (Digest::of(&bytes), Pushed::New));
    assert_eq!(push(&store, &bytes).await.1, Pushed::AlreadyThere);
    assert_eq!(fetch(&store, digest).await.unwrap(), bytes);

    let absent = Digest::of(b"absent");
    let error = fetch(&store, absent).await.unwrap_err();
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
    let error = fetch(&store, absent).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn changes_are_seen_and_what_cannot_be_read_is_told_apart() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    store.put(&app("shop", 1), None).await.unwrap();
    let mut sights = Box::pin(store.watch());
    assert_eq!(next(&mut sights).await.apps.len(), 1);

    store.put(&app("blog", 2), None).await.unwrap();
    assert_eq!(next(&mut sights).await.apps.len(), 2);

    let context = async_nats::jetstream::new(client(&server).await);
    let bucket = context.get_key_value("wrt-test-desired").await.unwrap();
    bucket
        .put("later", Bytes::from_static(br#"{"version":9}"#))
        .await
        .unwrap();
    let snapshot = next(&mut sights).await;
    assert_eq!(snapshot.apps.len(), 2);
    assert!(snapshot.held["later"].contains("form 9"), "{snapshot:?}");

    let shop = Name::new("shop").unwrap();
    assert!(store.delete(&shop).await.unwrap().is_some());
    let names: BTreeMap<_, _> = next(&mut sights).await.apps.clone();
    assert_eq!(names.keys().map(Name::as_str).collect::<Vec<_>>(), ["blog"]);
}

/// The watch lives on the server; a restart loses it, and changes made then must still be seen.
#[tokio::test]
async fn a_change_made_around_a_restart_of_the_server_is_seen() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    store.put(&app("shop", 1), None).await.unwrap();
    let mut sights = Box::pin(store.watch());
    assert_eq!(next(&mut sights).await.apps.len(), 1);

    server.kill().unwrap();
    server.restart().unwrap();
    let other = open(&server).await;
    other.put(&app("blog", 2), None).await.unwrap();
    assert_eq!(next(&mut sights).await.apps.len(), 2);
}

#[tokio::test]
async fn a_server_without_life_is_an_error_in_time() {
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

/// The bug: a node that looked for the bucket made it, and everybody took the empty one for an order.
#[tokio::test]
async fn only_who_deploys_makes_the_store() {
    let server = NatsServer::start().unwrap();
    let client = client(&server).await;
    let context = async_nats::jetstream::new(client.clone());
    assert!(Store::open(client, &lattice()).await.unwrap().is_none());
    let streams: Vec<_> = context.stream_names().collect().await;
    assert!(streams.is_empty(), "{streams:?}");
}

/// The bug: "stream name already in use with a different configuration", naming none.
#[tokio::test]
async fn a_stream_is_opened_as_its_operator_has_set_it() {
    let server = NatsServer::start().unwrap();
    let before = store(&server).await;
    let (digest, _) = push(&before, &Bytes::from_static(b"code")).await;
    before.put(&app("shop", 1), None).await.unwrap();
    let context = async_nats::jetstream::new(client(&server).await);
    let edited = async |name: &str| {
        let mut stream = context.get_stream(name).await.unwrap();
        let mut config = stream.info().await.unwrap().config.clone();
        config.description = Some("of the operator".to_owned());
        config.max_bytes = 64 * 1024 * 1024;
        config.compression = Some(async_nats::jetstream::stream::Compression::S2);
        config.max_messages_per_subject = config.max_messages_per_subject.min(2);
        context.update_stream(&config).await.unwrap();
        context
            .get_stream(name)
            .await
            .unwrap()
            .cached_info()
            .config
            .clone()
    };
    let streams = ["KV_wrt-test-desired", "OBJ_wrt-test-components"];
    let config = [edited(streams[0]).await, edited(streams[1]).await];

    for store in [store(&server).await, open(&server).await] {
        let name = Name::new("shop").unwrap();
        let stored = store.app(&name).await.unwrap().unwrap();
        let (changed, revision) = (app("shop", 2), Some(stored.revision));
        store.put(&changed, revision).await.unwrap();
        assert_eq!(&*fetch(&store, digest).await.unwrap(), b"code");
        let pushed = push(&store, &Bytes::from_static(b"code")).await;
        assert_eq!(pushed, (digest, Pushed::AlreadyThere));
    }
    for (name, config) in streams.iter().zip(config) {
        let now = context.get_stream(*name).await.unwrap();
        assert_eq!(now.cached_info().config, config, "{name} is the operator's");
    }
}

/// One server cannot keep several copies, and says so.
#[tokio::test]
async fn what_is_made_has_as_many_copies_as_were_asked_for() {
    let server = NatsServer::start().unwrap();
    let made = Store::make(client(&server).await, &lattice(), 3).await;
    let error = made.unwrap_err();
    let StoreError::Failed { what, source } = error else {
        panic!("{error:?}");
    };
    assert!(what.contains("KV_wrt-test-desired"), "{what}");
    assert!(source.to_string().contains("replicas > 1"), "{source}");
    // It is no business of one that is there.
    store(&server).await;
    Store::make(client(&server).await, &lattice(), 3)
        .await
        .unwrap();
}

/// One of the two streams is gone.
#[tokio::test]
async fn what_is_missing_is_made_and_the_rest_stays() {
    let server = NatsServer::start().unwrap();
    store(&server)
        .await
        .put(&app("shop", 1), None)
        .await
        .unwrap();
    let context = async_nats::jetstream::new(client(&server).await);
    let error = fetch(&open(&server).await, Digest::of(b"code"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NoComponent { .. }), "{error}");
    let (digest, _) = push(&store(&server).await, &Bytes::from_static(b"code")).await;
    context.delete_stream("KV_wrt-test-desired").await.unwrap();
    let made = store(&server).await;
    assert_eq!(fetch(&made, digest).await.unwrap().len(), 4);
    assert!(made.snapshot().await.unwrap().apps.is_empty());
}

#[tokio::test]
async fn a_stream_that_is_no_bucket_is_told_by_its_name() {
    let server = NatsServer::start().unwrap();
    let context = async_nats::jetstream::new(client(&server).await);
    let config = async_nats::jetstream::stream::Config {
        name: "KV_wrt-test-desired".to_owned(),
        subjects: vec!["$KV.wrt-test-desired.>".to_owned()],
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    let error = Store::make(client(&server).await, &lattice(), 1).await;
    let told = error.unwrap_err().to_string();
    assert!(
        told.contains("KV_wrt-test-desired") && told.contains("max_msgs_per_subject"),
        "{told}"
    );
}

/// A look that failed is told, and so is the next one that does not.
#[tokio::test]
async fn a_bucket_that_is_lost_is_told_and_one_that_is_made_anew_is_seen() {
    let server = NatsServer::start().unwrap();
    store(&server)
        .await
        .put(&app("shop", 1), None)
        .await
        .unwrap();
    let mut sights = Box::pin(open(&server).await.watch());
    assert_eq!(next(&mut sights).await.apps.len(), 1);
    let context = async_nats::jetstream::new(client(&server).await);
    context.delete_stream("KV_wrt-test-desired").await.unwrap();
    let lost =
        async { while !matches!(sights.next().await, Some(Err(StoreError::Absent { .. }))) {} };
    let lost = tokio::time::timeout(PATIENCE, lost).await;
    lost.expect("it is told in time");
    store(&server)
        .await
        .put(&app("blog", 2), None)
        .await
        .unwrap();
    let names = next(&mut sights).await.apps.into_keys();
    assert_eq!(
        names.map(|name| name.to_string()).collect::<Vec<_>>(),
        ["blog"]
    );
}

/// It was told as "requested JetStream resource does not exist", three times in a chain.
#[tokio::test]
async fn a_server_without_jetstream_is_told_as_such() {
    let server = NatsServer::start().unwrap();
    server.configure("").unwrap();
    server.restart().unwrap();
    let client = client(&server).await;
    let errors = [
        Store::make(client.clone(), &lattice(), 1)
            .await
            .unwrap_err(),
        Store::open(client, &lattice()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::NoJetStream), "{error:?}");
        assert!(error.to_string().contains("nats-server --jetstream"));
        assert!(std::error::Error::source(&error).is_none(), "{error:?}");
    }
}

/// The client told only that a message was not taken, or sent chunks that the server cut off.
#[tokio::test]
async fn a_server_that_takes_small_messages_gets_small_ones() {
    let server = NatsServer::start().unwrap();
    let folder = server.jetstream_folder();
    let config = format!("max_payload: 16384\njetstream {{ store_dir: {folder:?} }}\n");
    server.configure(&config).unwrap();
    server.restart().unwrap();
    let store = store(&server).await;
    let bytes = Bytes::from(vec![7; 100_000]);
    let (digest, _) = push(&store, &bytes).await;
    assert_eq!(fetch(&store, digest).await.unwrap(), bytes);
    store.put(&app("shop", 1), None).await.unwrap();
    let mut large = app("large", 1);
    let name = |n: u32| Name::new(&format!("p-{n}")).unwrap();
    let providers = (0..200).map(|n| (name(n), DesiredProvider::new("memory")));
    large.providers.extend(providers);
    let error = store.put(&large, None).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("16384") && told.contains("max_payload"),
        "{told}"
    );
}

/// Each of two who cordon and uncordon at once hears of the other one, and apps know nothing of it.
#[tokio::test]
async fn a_cordon_changes_only_from_the_revision_that_was_read() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    let a = NodeId::new("a").unwrap();
    store.put(&app("shop", 1), None).await.unwrap();
    assert_eq!(store.cordon(&a).await.unwrap(), None);
    let cordon = Cordon {
        keeps: ["component/shop/cart".parse().unwrap()].into(),
    };
    let first = store.put_cordon(&a, &cordon, None).await.unwrap();
    let is_conflict = |error: StoreError| matches!(error, StoreError::CordonConflict { .. });
    let empty = Cordon::default();
    assert!(is_conflict(
        store.put_cordon(&a, &empty, None).await.unwrap_err()
    ));
    let stored = store.cordon(&a).await.unwrap().unwrap();
    assert_eq!((stored.revision, stored.cordon), (first, Ok(cordon)));

    let mut sights = Box::pin(store.watch());
    let snapshot = next(&mut sights).await;
    assert!(snapshot.cordons.of(&a).is_some());
    assert_eq!((snapshot.apps.len(), snapshot.held.len()), (1, 0));
    let second = store.put_cordon(&a, &empty, Some(first)).await.unwrap();
    assert!(is_conflict(
        store.remove_cordon(&a, first).await.unwrap_err()
    ));
    store.remove_cordon(&a, second).await.unwrap();
    assert_eq!(store.cordon(&a).await.unwrap(), None);
    while next(&mut sights).await.cordons.of(&a).is_some() {}
    // It was there, and is again.
    store.put_cordon(&a, &empty, None).await.unwrap();
    // Code is collected as if there were none.
    let collected = store.collect(&std::collections::BTreeSet::new()).await;
    assert_eq!(collected.unwrap().unreadable, [""; 0]);
}
