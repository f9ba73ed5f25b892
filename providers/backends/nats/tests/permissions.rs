//! The suites, at a server that permits a provider what the provider says that it needs, and no more.

#[path = "messaging/support.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use support::{World, gets, send, serve, stream, until};
use wrt_blobstore::BlobstoreInterface;
use wrt_contract::Interface as _;
use wrt_keyvalue::KeyValueInterface;
use wrt_messaging::{MessageHandlerInterface, MessagingError, MessagingInterface};
use wrt_nats::{Nats, NatsConfig};
use wrt_protocol::{InterfaceName, Name};
use wrt_runtime::{Backend as _, ServicePermissions, Usage};

const PASSWORD: &str = "hush";

/// A server at which whoever does not say who it is may do anything, and the provider what it needs for
/// these interfaces.
async fn permitting(config: &NatsConfig, interfaces: &[InterfaceName]) -> World {
    let world = World::start().await;
    let selection = "topics = [\"orders.*\"]".parse().expect("a table");
    let calls = [(Name::new("handler").expect("a legal name"), selection)];
    let usage = Usage {
        interfaces,
        calls: &calls,
    };
    let permissions = Nats::permissions(config, &usage).expect("it says");
    let ServicePermissions { publish, subscribe } = permissions;
    let folder = world.server.jetstream_folder();
    let configuration = format!(
        "jetstream {{ store_dir: {folder:?} }}\nno_auth_user: admin\nauthorization {{ users: [\n\
         {{ user: admin, password: admin }}\n{{ user: provider, password: {PASSWORD}, permissions: {{\n\
         publish: {publish:?}\nsubscribe: {subscribe:?}\n}} }}\n] }}\n",
        publish = Vec::from_iter(publish),
        subscribe = Vec::from_iter(subscribe),
    );
    world.server.configure(&configuration).expect("written");
    world.server.stop().expect("stop");
    world.server.restart().expect("start");
    world
}

fn config(world: Option<&World>) -> NatsConfig {
    NatsConfig {
        user: Some("provider".to_owned()),
        password: Some(PASSWORD.into()),
        ..world.map(World::config).unwrap_or_default()
    }
}

/// What a suite does not miss all the same.
fn nothing_was_refused(world: &World) {
    let log = world.server.log().expect("a log");
    let refused: Vec<_> = log.lines().filter(|it| it.contains("Violation")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets() {
    for deduplicate_for_ms in [None, Some(5000)] {
        let with = |config: NatsConfig| NatsConfig {
            deduplicate_for_ms,
            ..config
        };
        let world = permitting(&with(config(None)), &[KeyValueInterface::NAME]).await;
        let store = world.connect(with(config(Some(&world)))).await;
        store.probe(&Default::default()).await.expect("it answers");
        match deduplicate_for_ms {
            None => wrt_keyvalue::conformance::run(store).await,
            Some(time) => {
                let time = Duration::from_millis(time);
                wrt_keyvalue::conformance::run_deduplicating(store, time).await;
            }
        }
        nothing_was_refused(&world);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers() {
    let world = permitting(&config(None), &[BlobstoreInterface::NAME]).await;
    let store = world.connect(config(Some(&world))).await;
    wrt_blobstore::conformance::run(store).await;
    nothing_was_refused(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages() {
    let interfaces = [MessagingInterface::NAME, MessageHandlerInterface::NAME];
    let world = permitting(&config(None), &interfaces).await;
    world.make(stream("ORDERS", "orders.>")).await;
    let provider = world.connect(config(Some(&world))).await;
    let component = Arc::new(support::Component::that(|data| {
        (data == "bad").then(|| MessagingError::other("on purpose"))
    }));
    let _serving = serve(
        &provider,
        &support::shop(&component),
        vec![gets(&["orders.*"])],
    )
    .await;
    for data in ["one", "bad", "two"] {
        send(&provider, "orders.placed", data)
            .await
            .expect("it is sent");
    }
    until("all are handled or given up", || {
        component.count() == 2 && provider.delivery_counts().dead_lettered == 1
    })
    .await;
    assert_eq!(world.letters("dead-letters-", 1).await.len(), 1);
    nothing_was_refused(&world);
}
