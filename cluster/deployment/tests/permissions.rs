//! What a NATS server must permit, and what it must not.

#![cfg(test)]

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::{sync::watch, time::timeout};
use wrt_deployment::{
    Config, ConfigValue, DesiredApp, DesiredProvider, DesiredTarget, LeaseTimes, Permissions,
    PermissionsOf, Reference, SECRETS, SecretReference, Store,
};
use wrt_protocol::{
    ActorAddress, InterfaceName, LatticeName, Name, NodeId, OperationName,
    subject::{Role, SERVICE_PING, Subjects},
};
use wrt_test_servers::NatsServer;

const PATIENCE: Duration = Duration::from_secs(20);
const HANDLER: InterfaceName = InterfaceName::from_static("wasi:http/handler");
const JOBS: InterfaceName = InterfaceName::from_static("wrt:jobs");
const HANDLE: OperationName = OperationName::from_static("handle");

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn node(text: &str) -> NodeId {
    NodeId::new(text).unwrap()
}

fn lattice() -> LatticeName {
    LatticeName::new("north").unwrap()
}

fn actor(text: &str) -> ActorAddress {
    text.parse().unwrap()
}

/// `web` calls `cart`, and has its key from `vault`.
fn shop() -> DesiredApp {
    let mut app = DesiredApp::empty(name("shop"));
    let mut web = DesiredProvider::new("http-server");
    web.calls.push(DesiredTarget {
        component: name("cart"),
        selection: Config::default(),
    });
    let key = SecretReference {
        vault: name("vault"),
        locker: None,
        secret: "key".to_owned(),
    };
    let key = ConfigValue::Reference(Reference::Secret(key));
    web.config.0.insert("key".to_owned(), key);
    app.providers.insert(name("web"), web);
    app.providers
        .insert(name("vault"), DesiredProvider::new("age"));
    app
}

fn least(role: Role, of: Option<&str>, apps: &[&DesiredApp]) -> Permissions {
    let (lattice, node) = (lattice(), of.map(node));
    let permissions = PermissionsOf {
        lattice: &lattice,
        role,
        node: node.as_ref(),
        apps,
        operated_by: &[JOBS],
    };
    permissions.least()
}

/// As a NATS server compares them.
fn covers(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(token), Some(part)) if token == "*" || token == part => {}
            _ => return false,
        }
    }
}

fn check(permitted: &std::collections::BTreeSet<String>, subject: &str, expected: bool) {
    let is_permitted = permitted.iter().any(|pattern| covers(pattern, subject));
    assert_eq!(is_permitted, expected, "{subject}: {permitted:#?}");
}

#[test]
fn a_node_calls_whom_a_manifest_links_and_speaks_as_itself() {
    let shop = shop();
    let subjects = Subjects::new(&lattice());
    let south = Subjects::new(&LatticeName::new("south").unwrap());
    let Permissions { publish, subscribe } = least(Role::Node, Some("a"), &[&shop]);
    let call = |to: &str, callee: &str, interface: &InterfaceName| {
        subjects.call(&node(to), &actor(callee), interface, &HANDLE)
    };
    for (callee, interface, may) in [
        ("component/shop/cart", &HANDLER, true),
        ("provider/shop/web", &HANDLER, true),
        ("provider/shop/vault", &SECRETS, true),
        ("provider/shop/vault", &HANDLER, false),
        ("component/shop/other", &HANDLER, false),
        ("component/other/cart", &HANDLER, false),
    ] {
        check(&publish, &call("b", callee, interface), may);
        let any = subjects.call_any(&actor(callee), interface, &HANDLE);
        check(&publish, &any, may);
    }
    for (publishes, may) in [
        (subjects.heartbeat(&node("a")), true),
        (subjects.heartbeat(&node("b")), false),
        (subjects.cancel(&node("b")), true),
        (subjects.presence(&node("b")), true),
        (subjects.body(&node("b")), true),
        (
            format!("{}.x.wrt-1", subjects.inbox_prefix(Role::Observer)),
            true,
        ),
        ("_INBOX.x".to_owned(), false),
        (subjects.status(&node("b")), false),
        ("$KV.wrt-north-leases.key".to_owned(), true),
        ("$KV.wrt-north-desired.shop".to_owned(), false),
        ("$JS.API.STREAM.INFO.KV_wrt-north-desired".to_owned(), true),
        (
            "$JS.API.STREAM.DELETE.KV_wrt-north-desired".to_owned(),
            false,
        ),
        ("$JS.API.STREAM.INFO.KV_wrt-south-desired".to_owned(), false),
        (south.heartbeat(&node("a")), false),
    ] {
        check(&publish, &publishes, may);
    }
    let cart = actor("component/shop/cart");
    for (subscribes, may) in [
        (subjects.heartbeat(&node("b")), true),
        (call("a", "component/shop/cart", &HANDLER), true),
        (call("b", "component/shop/cart", &HANDLER), false),
        (subjects.call_any(&cart, &HANDLER, &HANDLE), true),
        (subjects.body(&node("a")), true),
        (subjects.body(&node("b")), false),
        (format!("{}.x.y", subjects.inbox_prefix(Role::Node)), true),
        (
            format!("{}.x.y", subjects.inbox_prefix(Role::Operator)),
            false,
        ),
        (SERVICE_PING.to_owned(), true),
    ] {
        check(&subscribe, &subscribes, may);
    }
    // Whatever apps and nodes there are.
    let Permissions { publish, .. } = least(Role::Node, None, &[]);
    check(&publish, &call("b", "component/other/cart", &HANDLER), true);
    check(&publish, &subjects.heartbeat(&node("b")), true);
    check(&publish, "$KV.wrt-north-desired.shop", false);
}

#[test]
fn an_operator_deploys_and_asks_providers_and_an_observer_looks() {
    let shop = shop();
    let subjects = Subjects::new(&lattice());
    let operator = least(Role::Operator, None, &[&shop]);
    let observer = least(Role::Observer, None, &[&shop]);
    let call = |callee: &str, interface: &InterfaceName| {
        subjects.call(&node("a"), &actor(callee), interface, &HANDLE)
    };
    for (publishes, operates, observes) in [
        (call("provider/shop/web", &JOBS), true, false),
        (call("provider/shop/vault", &SECRETS), false, false),
        (call("component/shop/cart", &HANDLER), false, false),
        (subjects.cancel(&node("a")), true, false),
        (subjects.status(&node("a")), true, true),
        (subjects.heartbeat(&node("a")), false, false),
        ("$KV.wrt-north-desired.shop".to_owned(), true, false),
        ("$O.wrt-north-components.C.x".to_owned(), true, false),
        ("$KV.wrt-north-leases.key".to_owned(), false, false),
        (
            "$JS.API.STREAM.CREATE.KV_wrt-north-desired".to_owned(),
            true,
            false,
        ),
        (
            "$JS.API.STREAM.INFO.KV_wrt-north-desired".to_owned(),
            true,
            true,
        ),
        (
            "$JS.API.STREAM.DELETE.KV_wrt-north-desired".to_owned(),
            false,
            false,
        ),
    ] {
        check(&operator.publish, &publishes, operates);
        check(&observer.publish, &publishes, observes);
    }
    let inbox = |role| format!("{}.x.y", subjects.inbox_prefix(role));
    for (subscribes, operates, observes) in [
        (subjects.heartbeat(&node("a")), true, true),
        (inbox(Role::Operator), true, false),
        (inbox(Role::Observer), true, true),
        (inbox(Role::Node), false, false),
        (call("provider/shop/web", &JOBS), false, false),
    ] {
        check(&operator.subscribe, &subscribes, operates);
        check(&observer.subscribe, &subscribes, observes);
    }
}

/// What the server has told a client that it may not do.
type Told = watch::Receiver<Vec<String>>;

async fn client(server: &NatsServer, role: Role) -> (Client, Told) {
    let (hears, told) = watch::channel(Vec::new());
    let options = ConnectOptions::with_user_and_password(role.as_str().into(), "hush".into())
        .custom_inbox_prefix(Subjects::new(&lattice()).inbox_prefix(role))
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                hears.send_modify(|told| told.push(error.to_string()));
            }
            std::future::ready(())
        });
    (options.connect(server.url()).await.unwrap(), told)
}

/// A server that permits each role what is said that it needs.
fn permitting(app: &DesiredApp) -> NatsServer {
    let server = NatsServer::start().unwrap();
    let user = |role: Role| {
        let permissions = least(role, None, &[app]).in_configuration();
        format!(
            "{{ user: {}, password: hush, permissions: {permissions} }}\n",
            role.as_str()
        )
    };
    let users = Role::ALL.map(user).concat();
    let folder = server.jetstream_folder();
    let configuration =
        format!("jetstream {{ store_dir: {folder:?} }}\nauthorization {{ users: [\n{users}] }}\n");
    server.configure(&configuration).unwrap();
    server.stop().unwrap();
    server.restart().unwrap();
    server
}

/// Each does its part in the store at a real server, which has nothing against it; and an observer that
/// writes is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_works_under_the_least_permissions() {
    let shop = shop();
    let server = permitting(&shop);
    let (operator, operators) = client(&server, Role::Operator).await;
    let (node, nodes) = client(&server, Role::Node).await;
    let (observer, mut observers) = client(&server, Role::Observer).await;

    let made = Store::make(operator, &lattice(), 1).await;
    let store = made.unwrap_or_else(|error| panic!("{error}: {:?}", operators.borrow()));
    let code = Bytes::from(vec![7; 300_000]);
    let (digest, _) = store.push(&shop.app, &code).await.unwrap();
    let revision = store.put(&shop, None).await.unwrap();
    let components = [(digest, code.clone())].into();
    store.claim(&shop, revision, &components).await.unwrap();
    store
        .collect(&std::collections::BTreeSet::new())
        .await
        .unwrap();

    let of_node = Store::open(node, &lattice()).await.unwrap().unwrap();
    let mut sights = Box::pin(of_node.watch());
    let sight = timeout(PATIENCE, sights.next()).await.unwrap().unwrap();
    assert!(sight.is_ok(), "{sight:?}");
    let mut download = of_node.download(digest).await.unwrap();
    let mut fetched = 0;
    while let Some(chunk) = download.next().await.unwrap() {
        fetched += chunk.len();
    }
    assert_eq!(fetched, code.len());
    let leases = of_node.leases().await.unwrap().unwrap();
    let (told, mut had) = watch::channel(None);
    let keeps = leases.keep("work", "a", LeaseTimes::DEFAULT, &told);
    let is_had = had.wait_for(Option::is_some);
    let is_had = async { timeout(PATIENCE, is_had).await.unwrap().map(drop) };
    tokio::select! {
        had = is_had => had.unwrap(),
        () = keeps => panic!("it is kept for as long as it is wanted"),
    }

    let of_observer = Store::open(observer, &lattice()).await.unwrap().unwrap();
    assert_eq!(of_observer.snapshot().await.unwrap().apps.len(), 1);
    assert!(!of_observer.history(&shop.app).await.unwrap().is_empty());
    store.delete(&shop.app).await.unwrap();
    let told = [&operators, &nodes, &observers].map(|told| told.borrow().clone());
    assert_eq!(told, [const { Vec::<String>::new() }; 3]);

    let written = timeout(PATIENCE, of_observer.put(&shop, None));
    let is_told = |told: &Vec<String>| !told.is_empty();
    let told = tokio::select! {
        told = observers.wait_for(is_told) => told.unwrap().clone(),
        written = written => panic!("first it is told: {written:?}"),
    };
    assert!(
        told.iter()
            .any(|it| it.contains("$KV.wrt-north-desired.shop")),
        "{told:?}"
    );
}
