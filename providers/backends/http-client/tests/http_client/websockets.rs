//! Websockets to servers outside, by real sockets.

mod ends;
mod refusals;
mod world;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{accept_async, tungstenite::Message};
use wrt_contract::Lease;
use wrt_http_client::{Http2, HttpClientConfig};
use wrt_test_kit::TwoNodes;
use wrt_websocket::{
    Kind, PeerId, PeerOptions, PeersInterface,
    conformance::{self, Client, Door, Fixture, Outside, QUEUE_MESSAGES},
};

use crate::{server::accept, support::config};
use world::{World, to};

#[tokio::test]
async fn what_is_said_comes_there_and_what_comes_is_handed_over() {
    let mut world = World::new().await;
    let (peer, mut server) = world.connects().await;
    for text in ["", "two words \u{1F980}"] {
        assert!(world.sends(&peer, &Kind::Text, text).await);
        let said = server.socket.next().await.unwrap().unwrap();
        assert_eq!(said, Message::text(text));
        server.socket.send(said).await.unwrap();
        world.recorder.waits_for(&format!("text {text}")).await;
    }
    for bytes in [0, 1, 125, 126, 65_535, 65_536, 900_000] {
        let data = Bytes::from(vec![7; bytes]);
        assert!(world.sends(&peer, &Kind::Binary, data.clone()).await);
        let said = server.socket.next().await.unwrap().unwrap();
        assert_eq!(said, Message::Binary(data));
        server.socket.send(said).await.unwrap();
        world.recorder.waits_for(&format!("{bytes} bytes")).await;
    }
    let counts = world.counts();
    assert_eq!((counts["peers_accepted"], counts["peers_closed"]), (1, 0));
    assert_eq!(counts["peers_messages_queued"], 9);
    assert_eq!(counts["peers_messages_handled"], 9);
    assert_eq!(world.client.counts().connections, 1);
}

/// What a handler answers goes to the server, by the id that the handler was given.
#[tokio::test]
async fn a_handler_answers_its_peer_and_gets_its_messages_in_order() {
    let mut world = World::new().await;
    let (peer, mut server) = world.connects().await;
    server.socket.send(Message::text("slow")).await.unwrap();
    for number in 0..50 {
        let asked = Message::text(format!("echo {number}"));
        server.socket.send(asked).await.unwrap();
    }
    for number in 0..50 {
        let answer = server.socket.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::text(format!("echo {number}")));
    }
    let of = world.recorder.peers();
    assert!(of.iter().all(|it| *it == peer), "{of:?} of {peer}");
}

#[tokio::test]
async fn the_server_is_asked_with_what_was_said_and_its_choice_is_told() {
    let mut world = World::new().await;
    let mut connecting = to(&world.url("/room?protocol=b"));
    connecting.headers = vec![("x-who".to_owned(), b"me".to_vec())];
    connecting.protocols = vec!["a".to_owned(), "b".to_owned()];
    let connected = world.asks(&connecting).await.unwrap();
    assert_eq!(connected.protocol.as_deref(), Some("b"));
    let server = world.accepted().await;
    let (path, headers) = &server.asked;
    assert_eq!(path, "/room?protocol=b");
    assert_eq!(headers["x-who"], "me");
    assert_eq!(headers["sec-websocket-protocol"], "a, b");
    assert_eq!(headers["host"], world.server.address.to_string());
    let none = world.asks(&to(&world.url("/"))).await.unwrap();
    assert_eq!(none.protocol, None);
    let id: PeerId = none.peer.parse().unwrap();
    assert_eq!((id.link.as_str(), id.home), ("out", None));
}

/// Whatever is spoken with the same server otherwise.
#[tokio::test]
async fn over_tls_it_is_http_1() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, file) = crate::tls::tls(&folder);
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let server = accept(move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let stream = acceptor.accept(stream).await.unwrap();
            let spoken = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            let mut socket = accept_async(stream).await.unwrap();
            socket.send(Message::binary(spoken.unwrap())).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        })
    })
    .await;
    for http2 in [Http2::Negotiated, Http2::PriorKnowledge, Http2::Off] {
        let config = HttpClientConfig {
            http2,
            ..crate::tls::config(vec![file.clone()])
        };
        let world = World::of(config, PeerOptions::default()).await;
        let url = format!("wss://a.test:{}/", server.address.port());
        world.asks(&to(&url)).await.unwrap();
        world.recorder.waits_for("8 bytes").await;
        let stranger = format!("wss://b.test:{}/", server.address.port());
        let told = world.asks(&to(&stranger)).await.unwrap_err();
        assert_eq!(told.to_string(), "TLS-certificate-error");
    }
}

/// Those who connect, and their peers, as the suite has them.
struct Connects(Mutex<World>);

#[async_trait]
impl Door for Connects {
    async fn connect(&self, route: &str) -> Box<dyn Client> {
        let mut world = self.0.lock().await;
        let mut connecting = to(&world.url("/"));
        connecting.route = route.to_owned();
        let connected = world.asks(&connecting).await.unwrap();
        let number = connected.peer.parse::<PeerId>().unwrap().number;
        let socket = world.accepted().await.socket;
        Box::new(Outside { number, socket })
    }
}

fn of_the_suite() -> PeerOptions {
    PeerOptions {
        queue_messages_max: QUEUE_MESSAGES as u64,
        ..PeerOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_beside_its_callers() {
    let world = World::of(config(), of_the_suite()).await;
    conformance::run(Fixture {
        peers: world.client.peers(),
        door: Arc::new(Connects(Mutex::new(world))),
        listener: Lease::on_replica(None),
    })
    .await;
}

/// Those who ask for connections, and who send, are on another node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_across_nodes() {
    for nodes in [TwoNodes::over_loopback().await, TwoNodes::over_nats().await] {
        let mut world = World::of(config(), of_the_suite()).await;
        let peers = nodes.serve::<PeersInterface>(world.client.peers()).await;
        world.peers = Arc::clone(&peers);
        let home = wrt_protocol::Incarnation {
            node: nodes.server.membership.node().clone(),
            epoch: nodes.server.membership.epoch(),
        };
        conformance::run(Fixture {
            peers,
            door: Arc::new(Connects(Mutex::new(world))),
            listener: Lease::on_replica(Some(home)),
        })
        .await;
        assert!(nodes.dispatched() > 0, "the calls went over the bus");
    }
}
