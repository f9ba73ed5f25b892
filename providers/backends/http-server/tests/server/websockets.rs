//! What peers get, by real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use wrt_contract::{CallContext, Lease};
use wrt_http::HttpHandler;
use wrt_http_server::{HttpListener, Route, WebSocketOptions, WebSockets};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_test_kit::TwoNodes;
use wrt_websocket::{
    Answer, Closing, Kind, Listener, Opening, PeerHandler, PeerHandlerInterface, PeerId,
    PeerOptions, Peers, PeersInterface, WebSocketError,
    conformance::{self, Client, Door, Fixture, Outside, QUEUE_MESSAGES, ROUTES},
};

use crate::support::{Raw, config, says, until};

const WITHIN: Duration = Duration::from_secs(10);

/// Answers as a message says, and remembers what it was told.
#[derive(Default)]
pub struct Recorder {
    told: Mutex<Vec<String>>,
    pub opened: Mutex<Vec<Opening>>,
    in_hand: AtomicU32,
    refuses: AtomicU32,
    listener: Arc<Listener>,
}

impl Recorder {
    fn tell(&self, what: impl Into<String>) {
        self.told.lock().push(what.into());
    }

    fn has(&self, what: &str) -> bool {
        self.told.lock().iter().any(|told| told == what)
    }

    async fn waits_for(&self, what: &str) {
        until(what, || self.has(what)).await;
    }

    fn send(&self, peer: &str, kind: &Kind, data: impl Into<Bytes>) -> bool {
        let peer: PeerId = peer.parse().unwrap();
        self.listener.table().put(peer.number, kind, &data.into())
    }
}

#[async_trait]
impl PeerHandler for Recorder {
    async fn open(&self, _: &CallContext, opening: &Opening) -> Result<Answer, WebSocketError> {
        self.opened.lock().push(opening.clone());
        let wish = opening
            .path_with_query
            .split_once('?')
            .map(|(_, wish)| wish);
        Ok(match wish {
            Some("refused") => Answer::Refuse(401),
            Some("moved") => Answer::Refuse(301),
            Some("strange") => Answer::Accept(Some("strange".to_owned())),
            Some("greeted") => {
                assert!(self.send(&opening.peer, &Kind::Text, "welcome"));
                Answer::Accept(None)
            }
            Some("last") => Answer::Accept(opening.protocols.last().cloned()),
            _ => Answer::Accept(None),
        })
    }

    async fn receive(
        &self,
        _: &CallContext,
        peer: &str,
        is_text: bool,
        data: Bytes,
    ) -> Result<(), WebSocketError> {
        let busy = |kind| Fault::not_executed(kind, Hop::Gate, "on purpose");
        if self.refuses.load(SeqCst) > 0 {
            self.refuses.fetch_sub(1, SeqCst);
            return Err(busy(FaultKind::Overloaded { retry_after_ms: 0 }).into());
        }
        assert_eq!(self.in_hand.fetch_add(1, SeqCst), 0, "one at a time");
        let text = String::from_utf8_lossy(&data).into_owned();
        self.tell(text.clone());
        match text.as_str() {
            "slow" => tokio::time::sleep(Duration::from_millis(300)).await,
            "for long" => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                self.tell("done");
            }
            "answer later" => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let _gone = self.send(peer, &Kind::Text, "later");
            }
            "close" => {
                let closing = Kind::Close(Closing::new(4001, "as you wish"));
                assert!(self.send(peer, &closing, ""));
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.tell("closed and done");
            }
            "fail" => {
                self.in_hand.fetch_sub(1, SeqCst);
                let detail = "on purpose";
                let fault = Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, detail);
                return Err(fault.into());
            }
            _ => {
                let kind = if is_text { Kind::Text } else { Kind::Binary };
                let _gone = self.send(peer, &kind, data);
            }
        }
        self.in_hand.fetch_sub(1, SeqCst);
        Ok(())
    }

    async fn close(
        &self,
        _: &CallContext,
        _: &str,
        closing: &Closing,
    ) -> Result<(), WebSocketError> {
        self.tell(format!("gone {}", closing.code));
        Ok(())
    }
}

pub struct World {
    pub server: HttpListener,
    pub recorder: Arc<Recorder>,
}

type Socket = WebSocketStream<TcpStream>;

impl World {
    async fn with(options: WebSocketOptions) -> Self {
        Self::of(options, |recorder| recorder).await
    }

    pub async fn new() -> Self {
        Self::with(WebSocketOptions::default()).await
    }

    /// Whose peers are answered by what `way` makes of the recorder.
    async fn of(
        options: WebSocketOptions,
        way: impl FnOnce(Arc<dyn PeerHandler>) -> Arc<dyn PeerHandler>,
    ) -> Self {
        let recorder = Arc::<Recorder>::default();
        let handler = way(recorder.clone());
        let route = |path: &str| Route {
            host: None,
            path: path.to_owned(),
            websocket: Some(options.clone()),
        };
        let mut paths = vec!["/chat"];
        paths.extend(ROUTES);
        let routes = paths
            .into_iter()
            .map(|path| (route(path), Arc::clone(&handler)));
        let sockets = WebSockets {
            listener: Arc::clone(&recorder.listener),
            routes: routes.collect(),
        };
        let page: Arc<dyn HttpHandler> = says("a page");
        let page_route = Route {
            path: "/".to_owned(),
            ..Route::default()
        };
        let server = HttpListener::bind(config(), vec![(page_route, page)], sockets);
        let server = server.await.unwrap();
        Self { server, recorder }
    }

    async fn ask(
        &self,
        path: &str,
        fields: &[(http::HeaderName, &'static str)],
    ) -> Result<(Socket, http::Response<Option<Vec<u8>>>), tungstenite::Error> {
        let url = format!("ws://{}{path}", self.server.local_addr());
        let mut request = url.into_client_request().unwrap();
        for (name, value) in fields {
            let value = HeaderValue::from_static(value);
            request.headers_mut().append(name.clone(), value);
        }
        let stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        client_async(request, stream).await
    }

    async fn connect(&self) -> Socket {
        self.ask("/chat", &[]).await.unwrap().0
    }

    /// With which status a request is refused.
    async fn refused(&self, path: &str, fields: &[(http::HeaderName, &'static str)]) -> u16 {
        match self.ask(path, fields).await {
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            other => panic!("{path}: {other:?}"),
        }
    }
}

/// A route's settings, with these for its peers.
fn of_peers(peers: PeerOptions) -> WebSocketOptions {
    WebSocketOptions {
        peers,
        ..WebSocketOptions::default()
    }
}

async fn next(socket: &mut Socket) -> Message {
    let next = timeout(WITHIN, socket.next())
        .await
        .expect("something comes");
    next.expect("it is not over").expect("it is whole")
}

/// The code of the closing that comes next.
async fn closed(socket: &mut Socket) -> u16 {
    match next(socket).await {
        Message::Close(Some(frame)) => frame.code.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_and_bytes_come_and_go_and_the_end_is_told() {
    let world = World::new().await;
    let mut socket = world.connect().await;
    for message in [
        Message::text("two words \u{1F980}"),
        Message::text(""),
        Message::binary(vec![0, 255, 128]),
        Message::binary(vec![7; 200_000]),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await, message);
    }
    socket.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("x".into()));
    socket.close(None).await.unwrap();
    world.recorder.waits_for("gone 1005").await;
    let counts = world.recorder.listener.table().counter().counts();
    assert_eq!((counts.accepted, counts.closed), (1, 1), "{counts:?}");
    assert_eq!((counts.messages_handled, counts.messages_queued), (4, 4));
    until("the connection is closed", || {
        world.server.counts().connections_open == 0
    })
    .await;
}

#[tokio::test]
async fn messages_of_a_peer_are_handled_one_at_a_time_and_in_order() {
    let world = World::new().await;
    let mut socket = world.connect().await;
    socket.send(Message::text("slow")).await.unwrap();
    for number in 0..100 {
        socket
            .send(Message::text(number.to_string()))
            .await
            .unwrap();
    }
    // Not before the handler has got to its end, and all of what was sent before.
    socket.close(None).await.unwrap();
    world.recorder.waits_for("gone 1005").await;
    let expected: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    let told = world.recorder.told.lock();
    assert_eq!(told[0], "slow");
    assert_eq!(told[1..101], expected);
    assert_eq!(told.len(), 102, "{told:?}");
}

/// What follows a question had been read while the handler was at it; and once that is the end, or breaks the
/// protocol, nothing more may be sent.
#[tokio::test]
async fn a_question_is_answered_before_what_follows_it_is_looked_at() {
    let question = b"\x81\x8c\0\0\0\0answer later";
    for (behind, code) in [
        // Its end, with 1000.
        (&b"\x88\x82\0\0\0\0\x03\xe8"[..], 1000),
        // A reserved opcode.
        (&b"\x83\x80\0\0\0\0"[..], 1002),
    ] {
        let world = World::new().await;
        let mut socket = world.connect().await;
        let both = [&question[..], behind].concat();
        socket.get_mut().write_all(&both).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("later"));
        assert_eq!(closed(&mut socket).await, code);
        drop(socket);
        world.recorder.waits_for(&format!("gone {code}")).await;
    }
}

/// A handler that takes its time does not keep the end of its peer from being seen.
#[tokio::test]
async fn an_end_is_seen_behind_a_message_that_takes_long() {
    let world = World::new().await;
    let mut socket = world.connect().await;
    let peer = world.recorder.opened.lock()[0].peer.clone();
    socket.send(Message::text("for long")).await.unwrap();
    world.recorder.waits_for("for long").await;
    socket.close(None).await.unwrap();
    until("nothing can be sent to it", || {
        !world.recorder.send(&peer, &Kind::Text, "x")
    })
    .await;
    assert!(!world.recorder.has("done"), "it was not waited for");
    world.recorder.waits_for("gone 1005").await;
    assert!(world.recorder.has("done"), "it has come to its end");
}

#[tokio::test]
async fn who_asks_is_known_and_may_be_refused() {
    let world = World::new().await;
    assert_eq!(world.refused("/chat?refused", &[]).await, 401);
    // That would not say that the peer stays outside.
    assert_eq!(world.refused("/chat?moved", &[]).await, 500);
    assert_eq!(world.refused("/chat?strange", &[]).await, 500);
    let protocols = [
        (header::SEC_WEBSOCKET_PROTOCOL, "a,b , c"),
        (header::COOKIE, "who=me"),
    ];
    let (_socket, answer) = world.ask("/chat/room?last", &protocols).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_PROTOCOL], "c");
    let opening = world.recorder.opened.lock().last().cloned().unwrap();
    assert_eq!(opening.protocols, ["a", "b", "c"]);
    assert_eq!((&*opening.route, &*opening.link), ("/chat", "default"));
    assert_eq!(opening.path_with_query, "/chat/room?last");
    assert_eq!(opening.authority, world.server.local_addr().to_string());
    let names: Vec<_> = opening
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        ["host", "cookie"],
        "what is for the component, and nothing else"
    );
    // Nobody is left of those that were refused.
    assert_eq!(world.recorder.listener.table().count(), 1);
}

#[tokio::test]
async fn pages_of_elsewhere_do_not_get_in() {
    let world = World::new().await;
    let origin = [(header::ORIGIN, "http://evil.test")];
    assert_eq!(world.refused("/chat", &origin).await, 403);
    assert!(world.recorder.opened.lock().is_empty(), "nobody was asked");
    let options = WebSocketOptions {
        origins: Some(vec!["http://evil.test".to_owned()]),
        ..WebSocketOptions::default()
    };
    World::with(options)
        .await
        .ask("/chat", &origin)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_request_that_is_none_for_a_websocket_is_told_so() {
    let world = World::new().await;
    let head = "host: a.test\r\nupgrade: websocket\r\nconnection: keep-alive, Upgrade\r\n";
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (request, status, field) in [
        // The page of the same path.
        (
            "GET /chat HTTP/1.1\r\nhost: a.test\r\n\r\n".to_owned(),
            200,
            "a page",
        ),
        (
            format!("GET /chat HTTP/1.1\r\n{head}{key}sec-websocket-version: 12\r\n\r\n"),
            426,
            "sec-websocket-version: 13",
        ),
        (
            format!("GET /chat HTTP/1.1\r\n{head}{key}\r\n"),
            426,
            "sec-websocket-version: 13",
        ),
        (
            format!("GET /chat HTTP/1.1\r\n{head}sec-websocket-version: 13\r\n\r\n"),
            400,
            "one key",
        ),
        (
            format!("POST /chat HTTP/1.1\r\n{head}{key}sec-websocket-version: 13\r\n\r\n"),
            400,
            "by GET",
        ),
        // There is a page, and no websocket.
        (
            format!("GET /else HTTP/1.1\r\n{head}{key}sec-websocket-version: 13\r\n\r\n"),
            200,
            "a page",
        ),
    ] {
        let mut raw = Raw::to(&world.server).await;
        raw.send(&request).await;
        let answer = raw.read_to(field).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
    assert!(world.recorder.opened.lock().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn what_is_sent_while_a_peer_is_asked_for_comes_first() {
    let world = World::new().await;
    let (mut socket, _) = world.ask("/chat?greeted", &[]).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("welcome"));
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009_and_the_peer_hears_it() {
    let options = of_peers(PeerOptions {
        message_bytes_max: 1000,
        ..PeerOptions::default()
    });
    let world = World::with(options).await;
    let mut socket = world.connect().await;
    socket.send(Message::text("x".repeat(1000))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("x".repeat(1000)));
    // It is all on its way before anybody reads what is wrong with it.
    let _reset = socket.send(Message::binary(vec![1; 4_000_000])).await;
    assert_eq!(closed(&mut socket).await, 1009);
    world.recorder.waits_for("gone 1009").await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_told_so() {
    for (bytes, code) in [
        // Not masked.
        (&[0x81, 0x01, 0x41][..], 1002),
        // A reserved opcode.
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        // No UTF-8.
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    ] {
        let world = World::new().await;
        let mut socket = world.connect().await;
        socket.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(closed(&mut socket).await, code, "{bytes:x?}");
        drop(socket);
        world.recorder.waits_for(&format!("gone {code}")).await;
    }
}

#[tokio::test]
async fn a_handler_that_closes_its_peer_goes_on_to_its_end() {
    let world = World::new().await;
    let mut socket = world.connect().await;
    socket.send(Message::text("close")).await.unwrap();
    assert_eq!(closed(&mut socket).await, 4001);
    world.recorder.waits_for("gone 4001").await;
    let told = world.recorder.told.lock().clone();
    assert_eq!(told, ["close", "closed and done", "gone 4001"]);
}

#[tokio::test]
async fn what_was_not_executed_is_handed_over_again_and_what_failed_is_not() {
    let world = World::new().await;
    let mut socket = world.connect().await;
    world.recorder.refuses.store(3, SeqCst);
    socket.send(Message::text("one")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("one"));
    socket.send(Message::text("fail")).await.unwrap();
    socket.send(Message::text("two")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("two"));
    assert_eq!(*world.recorder.told.lock(), ["one", "fail", "two"]);
    let counts = world.recorder.listener.table().counter().counts();
    assert_eq!(
        (counts.put_back, counts.messages_failed),
        (3, 1),
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_peer_whose_component_stays_away_is_closed_with_1013() {
    let options = of_peers(PeerOptions {
        handler_patience_ms: 200,
        ..PeerOptions::default()
    });
    let world = World::with(options).await;
    let mut socket = world.connect().await;
    world.recorder.refuses.store(u32::MAX, SeqCst);
    socket.send(Message::text("x")).await.unwrap();
    assert_eq!(closed(&mut socket).await, 1013);
    let counts = || world.recorder.listener.table().counter().counts();
    until("it is counted", || counts().closed == 1).await;
    assert_eq!(counts().messages_given_up, 1);
}

#[tokio::test]
async fn a_silent_peer_is_dropped_and_one_that_answers_stays() {
    let options = of_peers(PeerOptions {
        ping_interval_ms: 50,
        ping_timeout_ms: 200,
        ..PeerOptions::default()
    });
    let world = World::with(options).await;
    let mut silent = world.connect().await;
    let lively = world.connect().await;
    let (mut say, mut hear) = lively.split();
    let answers = tokio::spawn(async move { while let Some(Ok(_)) = hear.next().await {} });
    // It reads, and answers nothing.
    let mut bytes = Vec::new();
    let end = timeout(WITHIN, silent.get_mut().read_to_end(&mut bytes)).await;
    assert!(end.is_ok(), "its connection is dropped");
    assert!(
        bytes.starts_with(&[0x89, 0x00]),
        "it was pinged: {bytes:x?}"
    );
    world.recorder.waits_for("gone 1006").await;
    assert_eq!(world.recorder.listener.table().counter().counts().silent, 1);
    say.send(Message::text("there")).await.unwrap();
    world.recorder.waits_for("there").await;
    answers.abort();
}

/// Its answers to pings lie behind a message that nobody has read yet.
#[tokio::test]
async fn a_peer_that_is_not_read_from_is_not_silent() {
    let options = of_peers(PeerOptions {
        ping_interval_ms: 20,
        ping_timeout_ms: 50,
        ..PeerOptions::default()
    });
    let world = World::with(options).await;
    let mut socket = world.connect().await;
    for text in ["slow", "slow", "slow", "last"] {
        socket.send(Message::text(text)).await.unwrap();
    }
    loop {
        match next(&mut socket).await {
            Message::Ping(_) => {}
            message => break assert_eq!(message, Message::text("last")),
        }
    }
}

#[tokio::test]
async fn a_server_that_drains_closes_with_1012_behind_what_is_queued() {
    let world = World::new().await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = world.connect().await;
        socket.send(Message::text("x")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("x"));
        sockets.push(socket);
    }
    let peer = world.recorder.opened.lock()[0].peer.clone();
    assert!(world.recorder.send(&peer, &Kind::Text, "last"));
    let clients = async {
        assert_eq!(next(&mut sockets[0]).await, Message::text("last"));
        for socket in &mut sockets {
            assert_eq!(closed(socket).await, 1012);
            // The closing handshake is the client's as well.
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let (drained, ()) = tokio::join!(world.server.drain(WITHIN), clients);
    assert!(drained, "nobody was cut off");
    let told = world.recorder.told.lock().clone();
    let gone = told.iter().filter(|told| *told == "gone 1012").count();
    assert_eq!(gone, 3, "{told:?}");
}

#[async_trait]
impl Door for World {
    async fn connect(&self, route: &str) -> Box<dyn Client> {
        let (socket, _) = self.ask(route, &[]).await.unwrap();
        let peer = self.recorder.opened.lock().last().unwrap().peer.clone();
        let number = peer.parse::<PeerId>().unwrap().number;
        Box::new(Outside { socket, number })
    }
}

fn of_the_suite() -> WebSocketOptions {
    of_peers(PeerOptions {
        queue_messages_max: QUEUE_MESSAGES as u64,
        ..PeerOptions::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_conforms_beside_its_callers() {
    let world = World::with(of_the_suite()).await;
    let peers: Arc<dyn Peers> = world.recorder.listener.clone();
    conformance::run(Fixture {
        peers,
        door: Arc::new(world),
        listener: Lease::on_replica(None),
    })
    .await;
}

/// Those who send and the one who handles are both on another node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_conforms_across_nodes() {
    for nodes in [TwoNodes::over_loopback().await, TwoNodes::over_nats().await] {
        let world = World::with(of_the_suite()).await;
        let listener = world.recorder.listener.clone();
        let peers = nodes.serve::<PeersInterface>(listener).await;
        let home = wrt_protocol::Incarnation {
            node: nodes.server.membership.node().clone(),
            epoch: nodes.server.membership.epoch(),
        };
        conformance::run(Fixture {
            peers,
            door: Arc::new(world),
            listener: Lease::on_replica(Some(home)),
        })
        .await;
        assert!(nodes.dispatched() > 0, "the calls went over the bus");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_on_another_node_gets_the_same_in_the_same_order() {
    let nodes = TwoNodes::over_nats().await;
    let recorder = Arc::<Recorder>::default();
    let remote = nodes.serve::<PeerHandlerInterface>(recorder.clone()).await;
    let world = World::of(WebSocketOptions::default(), |_| remote).await;
    let mut socket = world.connect().await;
    for number in 0..100 {
        socket
            .send(Message::text(number.to_string()))
            .await
            .unwrap();
    }
    socket
        .send(Message::binary(vec![b'x'; 900_000]))
        .await
        .unwrap();
    socket.close(None).await.unwrap();
    recorder.waits_for("gone 1005").await;
    let expected: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    let told = recorder.told.lock();
    assert_eq!(told[..100], expected);
    assert_eq!((told[100].len(), told.len()), (900_000, 102));
    assert_eq!(nodes.dispatched(), 103, "an opening, messages and an end");
}

#[tokio::test]
async fn nobody_is_left_when_a_server_is_dropped() {
    let world = World::new().await;
    let sockets = [world.connect().await, world.connect().await];
    let (table, weak) = {
        let table = world.recorder.listener.table();
        (Arc::clone(table), Arc::downgrade(&world.recorder))
    };
    assert_eq!(table.count(), 2);
    drop(world);
    until("all have left", || table.count() == 0).await;
    until("nobody keeps the handler", || weak.strong_count() == 0).await;
    drop(sockets);
}
