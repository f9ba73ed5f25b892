//! Code in the store: whose it is, when it goes, and what a full JetStream refuses.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use async_nats::jetstream::{self, message::PublishMessage};
use bytes::Bytes;
use wrt_deployment::{
    Collected, DesiredApp, DesiredComponent, Digest, LinkTable, PlacementRule, Pushed, Store,
    StoreError,
};
use wrt_protocol::{ComponentLimits, LatticeName, Name};
use wrt_test_servers::NatsServer;

const OBJECTS: &str = "OBJ_wrt-test-components";
const APPS: &str = "KV_wrt-test-desired";
/// Of each app that are kept, with their code.
const REVISIONS: u64 = 8;

fn lattice() -> LatticeName {
    LatticeName::new("test").unwrap()
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// Code of several chunks; another one for each `n`.
fn code(n: u8) -> Bytes {
    let bytes = (0..300_000_u32).map(|at| (at % 251) as u8 ^ n);
    bytes.collect()
}

async fn store(server: &NatsServer) -> Store {
    let client = async_nats::connect(server.url()).await.unwrap();
    Store::make(client, &lattice(), 1).await.unwrap()
}

async fn jetstream(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// Messages and bytes of a stream.
async fn holds(server: &NatsServer, stream: &str) -> (u64, u64) {
    let stream = jetstream(server).await.get_stream(stream).await.unwrap();
    let state = &stream.cached_info().state;
    (state.messages, state.bytes)
}

async fn has(store: &Store, bytes: &Bytes) -> bool {
    let mut download = match store.download(Digest::of(bytes)).await {
        Ok(download) => download,
        Err(StoreError::NoComponent { .. }) => return false,
        Err(error) => panic!("{error:?}"),
    };
    while download.next().await.unwrap().is_some() {}
    true
}

fn app(app: &str, codes: &[&Bytes]) -> DesiredApp {
    let mut app = DesiredApp::empty(name(app));
    for (n, bytes) in codes.iter().enumerate() {
        let component = DesiredComponent {
            digest: Digest::of(bytes),
            environment: BTreeMap::new(),
            placement: PlacementRule::default(),
            links: LinkTable::default(),
            limits: ComponentLimits::default(),
        };
        app.components.insert(name(&format!("c{n}")), component);
    }
    app
}

fn components(codes: &[&Bytes]) -> BTreeMap<Digest, Bytes> {
    let named = |bytes: &&Bytes| (Digest::of(bytes), (*bytes).clone());
    codes.iter().map(named).collect()
}

/// As `wrt up` does.
async fn up(store: &Store, app_name: &str, codes: &[&Bytes]) -> Result<Collected, StoreError> {
    for bytes in codes {
        store.push(&name(app_name), bytes).await?;
    }
    let app = app(app_name, codes);
    let before = store.app(&app.app).await?;
    let released = before.iter().flat_map(|stored| stored.app.code()).collect();
    let expected = before.map(|stored| stored.revision);
    let revision = store.put(&app, expected).await?;
    store.claim(&app, revision, &components(codes)).await?;
    store.collect(&released).await
}

/// As `wrt down` does.
async fn down(store: &Store, app: &str) -> Result<Collected, StoreError> {
    let removed = store.delete(&name(app)).await?;
    store.collect(&removed.expect("it is there").code).await
}

/// The bug: 60 deploys of a changed component left 60 of them, and so did the removal.
#[tokio::test]
async fn what_no_app_names_any_more_goes() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    let shared = code(100);
    up(&store, "blog", &[&shared]).await.unwrap();
    let (one, _) = holds(&server, OBJECTS).await;
    for n in 0..20 {
        let collected = up(&store, "shop", &[&code(n), &shared]).await.unwrap();
        let past = u64::from(n).min(REVISIONS - 1);
        assert_eq!(
            collected.components,
            usize::from(u64::from(n) > past),
            "{n}"
        );
        assert_eq!(holds(&server, OBJECTS).await.0, (2 + past) * one, "{n}");
    }
    assert_eq!(
        down(&store, "shop").await.unwrap().components,
        REVISIONS as usize
    );
    assert!(has(&store, &shared).await, "the other app's");
    assert!(!has(&store, &code(19)).await);
    assert_eq!(down(&store, "blog").await.unwrap().components, 1);
    assert_eq!(holds(&server, OBJECTS).await, (0, 0));
    assert_eq!(holds(&server, APPS).await.0, 2, "two marks");
}

/// An earlier revision can be deployed again, and its code is there; a removal ends all that.
#[tokio::test]
async fn what_an_app_was_is_kept_with_its_code_until_it_is_removed() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    let shop = name("shop");
    assert!(store.history(&shop).await.unwrap().is_empty());
    for n in 1..=3 {
        up(&store, "shop", &[&code(n)]).await.unwrap();
    }
    let past = store.history(&shop).await.unwrap();
    let apps: Vec<_> = past.iter().map(|it| it.app.clone().unwrap()).collect();
    assert_eq!(apps, [1, 2, 3].map(|n| app("shop", &[&code(n)])));
    let deployed = past.last().unwrap().revision;
    assert_eq!(deployed, store.app(&shop).await.unwrap().unwrap().revision);

    assert!(store.missing_code(&apps[0]).await.unwrap().is_empty());
    let revision = store.put(&apps[0], Some(deployed)).await.unwrap();
    store.claim_stored(&apps[0], revision).await.unwrap();
    let released = apps[2].code().collect();
    assert_eq!(store.collect(&released).await.unwrap().components, 0);
    assert_eq!(store.history(&shop).await.unwrap().len(), 4);
    assert!(has(&store, &code(1)).await && has(&store, &code(3)).await);

    assert_eq!(down(&store, "shop").await.unwrap().components, 3);
    assert!(store.history(&shop).await.unwrap().is_empty());
    let missing = store.missing_code(&apps[0]).await.unwrap();
    assert_eq!(missing, BTreeSet::from([Digest::of(&code(1))]));
    up(&store, "shop", &[&code(5)]).await.unwrap();
    assert_eq!(store.history(&shop).await.unwrap().len(), 1);
    assert!(matches!(
        store.claim_stored(&apps[0], revision).await,
        Err(StoreError::NoComponent { .. })
    ));
}

/// An operator may keep no revision but the last: then there is nothing to go back to, and no code of it.
#[tokio::test]
async fn a_bucket_that_keeps_one_revision_keeps_no_other_code() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    let context = jetstream(&server).await;
    let stream = context.get_stream(APPS).await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.max_messages_per_subject = 1;
    context.update_stream(config).await.unwrap();
    up(&store, "shop", &[&code(1)]).await.unwrap();
    assert_eq!(up(&store, "shop", &[&code(2)]).await.unwrap().components, 1);
    let past = store.history(&name("shop")).await.unwrap();
    let apps: Vec<_> = past.into_iter().map(|it| it.app.unwrap()).collect();
    assert_eq!(apps, [app("shop", &[&code(2)])]);
    assert!(!has(&store, &code(1)).await && has(&store, &code(2)).await);
}

/// Silence is no order: nodes run what the bucket has lost, and need its code.
#[tokio::test]
async fn what_got_lost_keeps_its_code() {
    let server = NatsServer::start().unwrap();
    let before = store(&server).await;
    up(&before, "shop", &[&code(1)]).await.unwrap();
    let stream = jetstream(&server).await.get_stream(APPS).await.unwrap();
    stream.purge().await.unwrap();
    up(&before, "blog", &[&code(2)]).await.unwrap();
    assert!(has(&before, &code(1)).await, "emptied");

    let context = jetstream(&server).await;
    context.delete_stream(APPS).await.unwrap();
    let anew = store(&server).await;
    up(&anew, "other", &[&code(3)]).await.unwrap();
    assert!(has(&anew, &code(1)).await && has(&anew, &code(2)).await);

    // What an earlier build has stored has no claims at all.
    let bytes = code(4);
    let objects = context
        .get_object_store("wrt-test-components")
        .await
        .unwrap();
    let digest = Digest::of(&bytes).to_hex();
    objects.put(digest.as_str(), &mut &*bytes).await.unwrap();
    assert_eq!(anew.collect(&BTreeSet::new()).await.unwrap().components, 0);

    // Somebody says so, in the bucket that is there now.
    anew.mark_removed(&name("shop")).await.unwrap();
    assert_eq!(anew.collect(&BTreeSet::new()).await.unwrap().components, 1);
    assert!(!has(&anew, &code(1)).await);
    assert!(has(&anew, &code(2)).await && has(&anew, &code(4)).await);
    let released = BTreeSet::from([Digest::of(&code(4))]);
    assert_eq!(anew.collect(&released).await.unwrap().components, 1);
}

/// Any code might be that app's.
#[tokio::test]
async fn an_app_that_cannot_be_read_keeps_all_code() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    up(&store, "shop", &[&code(1)]).await.unwrap();
    let context = jetstream(&server).await;
    let bucket = context.get_key_value("wrt-test-desired").await.unwrap();
    let later = Bytes::from_static(br#"{"version":99}"#);
    bucket.put("later", later).await.unwrap();
    let collected = down(&store, "shop").await.unwrap();
    assert_eq!(collected.unreadable, ["later"]);
    assert!(has(&store, &code(1)).await);
    store.delete(&name("later")).await.unwrap();
    assert_eq!(store.collect(&BTreeSet::new()).await.unwrap().components, 1);
}

/// Somebody else's collection comes between each two steps of a deployment.
#[tokio::test]
async fn a_deployment_under_way_does_not_lose_its_code() {
    let server = NatsServer::start().unwrap();
    let (store, other) = (store(&server).await, store(&server).await);
    up(&other, "old", &[&code(1)]).await.unwrap();
    let collect = async || other.collect(&BTreeSet::from([Digest::of(&code(1))])).await;
    // One that is there, and one that is new.
    let codes = [&code(1), &code(2)];
    let pushed = store.push(&name("shop"), codes[0]).await.unwrap().1;
    assert_eq!(pushed, Pushed::AlreadyThere);
    down(&other, "old").await.unwrap();
    store.push(&name("shop"), codes[1]).await.unwrap();
    collect().await.unwrap();
    assert!(has(&store, codes[0]).await && has(&store, codes[1]).await);

    // It took longer than pushed code waits for its app: it is gone when the app is stored.
    let context = jetstream(&server).await;
    let stream = context.get_stream(OBJECTS).await.unwrap();
    stream.purge().await.unwrap();
    let app = app("shop", &codes);
    let revision = store.put(&app, None).await.unwrap();
    store
        .claim(&app, revision, &components(&codes))
        .await
        .unwrap();
    collect().await.unwrap();
    assert!(has(&store, codes[0]).await && has(&store, codes[1]).await);
}

/// It was told that the store has it: its length was right.
#[tokio::test]
async fn a_component_that_is_not_whole_is_told_and_stored_again() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    let bytes = code(1);
    store.push(&name("shop"), &bytes).await.unwrap();
    let stream = jetstream(&server).await.get_stream(OBJECTS).await.unwrap();
    stream.delete_message(2).await.unwrap();
    let mut download = store.download(Digest::of(&bytes)).await.unwrap();
    let error = loop {
        match download.next().await {
            Ok(chunk) => assert!(chunk.is_some(), "it ends as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Incomplete { .. }), "{error:?}");
    let pushed = store.push(&name("shop"), &bytes).await.unwrap();
    assert_eq!(pushed.1, Pushed::New);
    assert!(has(&store, &bytes).await);
    assert_eq!(holds(&server, OBJECTS).await.0, 4, "nothing is left of it");
}

/// The server goes away in the middle: the download goes on where it was.
#[tokio::test]
async fn a_download_bears_a_restart_of_the_server() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    store.push(&name("shop"), &code(1)).await.unwrap();
    let mut download = store.download(Digest::of(&code(1))).await.unwrap();
    let mut bytes = download.next().await.unwrap().unwrap().to_vec();
    server.kill().unwrap();
    let restarted = async {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(move || server.restart().map(|()| server))
            .await
            .unwrap()
    };
    let rest = async {
        while let Some(chunk) = download.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
    };
    let (server, ()) = tokio::join!(restarted, rest);
    server.unwrap();
    assert_eq!(bytes, code(1));
}

/// A JetStream of so many bytes.
async fn limited(server: &NatsServer, bytes: usize) {
    let folder = server.jetstream_folder();
    let config = format!("jetstream {{ store_dir: {folder:?}, max_file_store: {bytes} }}\n");
    server.configure(&config).unwrap();
    server.restart().unwrap();
}

/// Somebody else takes all the room that there is, to the last message of so many bytes.
async fn fill(server: &NatsServer, message_bytes: usize) {
    let context = jetstream(server).await;
    let config = jetstream::stream::Config {
        name: "others".to_owned(),
        subjects: vec!["others".to_owned()],
        ..Default::default()
    };
    context.get_or_create_stream(config).await.unwrap();
    loop {
        let message = PublishMessage::build().payload(vec![7; message_bytes].into());
        let sent = context.send_publish("others", message).await.unwrap();
        if sent.await.is_err() {
            return;
        }
    }
}

/// The bug: `wrt down` failed with "insufficient resources".
#[tokio::test]
async fn an_app_is_removed_where_there_is_no_room() {
    let server = NatsServer::start().unwrap();
    limited(&server, 4 << 20).await;
    let store = store(&server).await;
    up(&store, "shop", &[&code(1)]).await.unwrap();
    up(&store, "blog", &[&code(2)]).await.unwrap();
    fill(&server, 64 << 10).await;
    let error = up(&store, "more", &[&code(3)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("max_file_store"), "{error}");
    let left = holds(&server, OBJECTS).await.0;
    assert_eq!(left, 2 * 4, "of what could not be stored nothing is left");

    assert_eq!(store.snapshot().await.unwrap().apps.len(), 2, "it is read");
    down(&store, "shop").await.unwrap();
    assert!(has(&store, &code(2)).await);
    fill(&server, 1 << 10).await;
    down(&store, "blog").await.unwrap();
    assert_eq!(holds(&server, OBJECTS).await, (0, 0));
    assert!(store.snapshot().await.unwrap().apps.is_empty());
}

/// The operator has bounded the bucket itself: what apps were before makes room.
#[tokio::test]
async fn an_app_is_stored_and_removed_in_a_bucket_that_is_full() {
    let server = NatsServer::start().unwrap();
    let store = store(&server).await;
    up(&store, "blog", &[&code(1)]).await.unwrap();
    up(&store, "shop", &[&code(2)]).await.unwrap();
    let context = jetstream(&server).await;
    let mut config = context
        .get_stream(APPS)
        .await
        .unwrap()
        .cached_info()
        .config
        .clone();
    // Room for one more revision.
    config.max_bytes = i64::try_from(holds(&server, APPS).await.1).unwrap() * 3 / 2 + 100;
    context.update_stream(config).await.unwrap();
    for n in 3..20 {
        up(&store, "shop", &[&code(n)]).await.unwrap();
    }
    let mut n = 0;
    let full = loop {
        n += 1;
        if let Err(error) = up(&store, &format!("more-{n}"), &[]).await {
            break error;
        }
    };
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    down(&store, "shop").await.unwrap();
    assert!(
        store.app(&name("blog")).await.unwrap().is_some(),
        "untouched"
    );
    down(&store, "blog").await.unwrap();
    assert_eq!(holds(&server, OBJECTS).await, (0, 0));
}
