//! Connections that are not opened.

use std::{collections::BTreeMap, time::Duration};

use tokio::{net::TcpListener, time::Instant};
use wrt_contract::{CallContext, InterfaceError};
use wrt_http_client::HttpClientConfig;
use wrt_protocol::FaultKind;
use wrt_websocket::{
    Connecting, Limit, PeerOptions, WebSocketError,
    limits::{CONNECTING_BYTES_MAX, CONNECTING_FIELDS_MAX},
};

use super::world::{World, to};
use crate::{
    server::{answer, serve, serve_raw},
    support::{config, rules},
};

/// What a busy machine adds.
const GRACE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn where_no_rule_leads_nobody_goes() {
    for (allow, host) in [
        (&[][..], "127.0.0.1"),
        (&["*:*"], "127.0.0.1"),
        (&["0.0.0.0/0:*"], "127.0.0.1"),
        // Without a port it is that of the scheme.
        (&["127.0.0.1"], "127.0.0.1"),
        (&["127.0.0.1:*"], "a.test"),
        // Its name may be asked for, and its address not be gone to.
        (&["a.test:*"], "a.test"),
        (&["*:*"], "localhost"),
    ] {
        let config = HttpClientConfig {
            allow: rules(allow),
            resolve: BTreeMap::from([("a.test".to_owned(), vec!["127.0.0.1".parse().unwrap()])]),
            ..config()
        };
        let world = World::of(config, PeerOptions::default()).await;
        let url = format!("ws://{host}:{}/", world.server.address.port());
        let told = world.asks(&to(&url)).await;
        let is_denied = matches!(told, Err(WebSocketError::Denied(_)));
        assert!(is_denied, "{allow:?} {host}: {told:?}");
        assert_eq!(world.counts()["peers_refused"], 1);
        let accepted = world
            .server
            .accepted
            .load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(accepted, 0, "nobody came to the server");
    }
}

#[tokio::test]
async fn what_the_server_answers_instead_is_told() {
    let world = World::new().await;
    let page = serve(|_| async { answer("a page") }).await;
    let page = (200, format!("ws://{}/", page.address));
    let refused = [301, 401, 503].map(|status| (status, world.url(&format!("/?status={status}"))));
    for (status, url) in [page].into_iter().chain(refused) {
        let told = world.asks(&to(&url)).await;
        assert_eq!(told, Err(WebSocketError::Refused(status)));
    }
    // A subprotocol or an extension that nobody has offered, and none of those that somebody has.
    let offering = |path: &str| Connecting {
        protocols: vec!["a".to_owned()],
        ..to(&world.url(path))
    };
    for connecting in [
        to(&world.url("/?protocol=a")),
        to(&world.url("/?extension=permessage-deflate")),
        offering("/?protocol=b"),
        offering("/"),
    ] {
        let told = world.asks(&connecting).await;
        let is_none = matches!(told, Err(WebSocketError::NotConnected(_)));
        assert!(is_none, "{connecting:?}: {told:?}");
    }
    for answer in [
        "",
        "what?\r\n\r\n",
        // To a key of somebody else.
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ] {
        let server = serve_raw(answer, true).await;
        let told = world.asks(&to(&format!("ws://{}/", server.address))).await;
        let is_none = matches!(told, Err(WebSocketError::NotConnected(_)));
        assert!(is_none, "{answer:?}: {told:?}");
    }
    assert_eq!(world.counts()["peers_refused"], 11);
    assert_eq!(world.client.counts().connections, 0, "none is left");
}

#[tokio::test]
async fn without_a_server_there_is_no_connection() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let world = World::new().await;
    let told = world.asks(&to(&format!("ws://{nobody}/"))).await;
    let expected = "connection-refused".to_owned();
    assert_eq!(told, Err(WebSocketError::NotConnected(expected)));
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let world = World::new().await;
    let connecting = to(&world.url("/"));
    let told = world
        .asks(&Connecting {
            route: "feed".to_owned(),
            ..connecting.clone()
        })
        .await;
    assert_eq!(told, Err(WebSocketError::NoSuchRoute("feed".to_owned())));
    let told = world.asks(&to("http://127.0.0.1/")).await;
    assert!(
        matches!(told, Err(WebSocketError::BadRequest(_))),
        "{told:?}"
    );
    let field = ("x".to_owned(), vec![b'x'; CONNECTING_BYTES_MAX]);
    let too_much = Connecting {
        headers: vec![field],
        ..connecting.clone()
    };
    let too_many = Connecting {
        protocols: (0..=CONNECTING_FIELDS_MAX)
            .map(|it| it.to_string())
            .collect(),
        ..connecting
    };
    for (connecting, over) in [
        (too_much, Limit::ConnectingBytes),
        (too_many, Limit::ConnectingFields),
    ] {
        match world.asks(&connecting).await {
            Err(WebSocketError::OverLimit { limit, .. }) => assert_eq!(limit, over),
            other => panic!("{other:?}"),
        }
    }
}

/// A server that accepts and says nothing; each wait has its end.
#[tokio::test]
async fn nobody_waits_for_a_silent_server_for_long() {
    let silent = serve_raw("", false).await;
    let times = |connect_timeout_ms, first_byte_timeout_ms| HttpClientConfig {
        connect_timeout_ms,
        first_byte_timeout_ms,
        ..config()
    };
    for (config, scheme, expected) in [
        (times(60_000, 100), "ws", "the server does not answer"),
        // It is the handshake of TLS that is waited for.
        (times(100, 60_000), "wss", "connection-timeout"),
    ] {
        let world = World::of(config, PeerOptions::default()).await;
        let began = Instant::now();
        let told = world
            .asks(&to(&format!("{scheme}://{}/", silent.address)))
            .await;
        let expected = Err(WebSocketError::NotConnected(expected.to_owned()));
        assert_eq!(told, expected);
        assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
        assert_eq!(world.client.counts().connections, 0);
    }
    // And all of it has the budget of its call.
    let world = World::of(times(60_000, 60_000), PeerOptions::default()).await;
    let began = Instant::now();
    let context = CallContext::with_budget(Duration::from_millis(100));
    let connecting = to(&format!("ws://{}/", silent.address));
    let told = world.peers.connect(&context, &connecting).await;
    let told = told.unwrap_err();
    let kind = told.as_fault().map(wrt_protocol::Fault::kind);
    assert_eq!(kind, Some(FaultKind::DeadlineExceeded), "{told}");
    assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
    assert_eq!(world.client.counts().connections, 0);
}

/// A websocket has its place for as long as it lasts, however long it is silent; and nobody else gets it.
#[tokio::test]
async fn one_that_is_open_keeps_its_place() {
    let config = HttpClientConfig {
        connections_max: 1,
        // Longer than an unused connection keeps its place.
        connect_timeout_ms: 2500,
        ..config()
    };
    let mut world = World::of(config, PeerOptions::default()).await;
    let (peer, server) = world.connects().await;
    let told = world.asks(&to(&world.url("/"))).await;
    let expected = "connection-limit-reached".to_owned();
    assert_eq!(told, Err(WebSocketError::NotConnected(expected)));
    assert!(
        world
            .sends(&peer, &wrt_websocket::Kind::Text, "still there")
            .await
    );
    drop(server);
    world.recorder.waits_for("gone 1006").await;
    world.connects().await;
}
