//! What every server with peers does for those who send to them, as code.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use wrt_contract::{CallContext, Lease, async_trait};

use crate::{
    Closing, Kind, Limit, Peers, Reached, WebSocketError,
    limits::{MESSAGE_BYTES_MAX, REASON_BYTES_MAX, RECEIVERS_MAX},
};

/// A route for everybody, and two that nobody else takes than those who ask for all.
pub const ROUTES: [&str; 3] = ["/any", "/all", "/others"];
/// What may wait for a peer there: less is found out later, and more than the suite takes time for.
pub const QUEUE_MESSAGES: usize = 128;

/// Lets peers in.
#[async_trait]
pub trait Door: Send + Sync {
    /// A peer that is in, by one of [`ROUTES`].
    async fn connect(&self, route: &str) -> Box<dyn Client>;
}

/// A peer, at its own end. It leaves when it is dropped.
#[async_trait]
pub trait Client: Send + Sync {
    /// Its number at its listener.
    fn number(&self) -> u64;

    /// What it gets next.
    async fn receive(&mut self) -> Received;
}

/// What a peer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// The end, with its code.
    Closed(u16),
}

/// A peer at its own end of a real socket.
pub struct Outside<S> {
    /// Its number at its listener.
    pub number: u64,
    /// Its end.
    pub socket: WebSocketStream<S>,
}

/// Longer than anything takes that comes at all.
const WITHIN: Duration = Duration::from_secs(10);

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Client for Outside<S> {
    fn number(&self) -> u64 {
        self.number
    }

    async fn receive(&mut self) -> Received {
        loop {
            let next = timeout(WITHIN, self.socket.next()).await;
            return match next.expect("something comes") {
                Some(Ok(Message::Text(text))) => Received::Text(text.to_string()),
                Some(Ok(Message::Binary(data))) => Received::Binary(data),
                Some(Ok(Message::Close(frame))) => {
                    Received::Closed(frame.map_or(1005, |frame| frame.code.into()))
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Received::Closed(1006),
            };
        }
    }
}

/// What a case works with.
#[derive(Clone)]
pub struct Fixture {
    /// The server, as it is called.
    pub peers: Arc<dyn Peers>,
    /// Where its peers come in.
    pub door: Arc<dyn Door>,
    /// Where their sockets are.
    pub listener: Lease,
}

wrt_conformance::suite! {
    Fixture:
    a_message_comes_as_it_was,
    messages_come_in_their_order,
    some_get_it_and_of_the_others_it_is_said,
    all_of_a_route_get_it_and_nobody_else,
    one_of_all_who_has_no_room_is_counted,
    a_close_comes_behind_what_was_queued,
    who_does_not_read_is_closed_and_holds_up_nobody,
    what_cannot_be_sent_is_refused,
}

impl Fixture {
    async fn connect(&self, route: &str) -> Box<dyn Client> {
        self.door.connect(route).await
    }

    async fn send(
        &self,
        to: &[u64],
        kind: &Kind,
        data: Bytes,
    ) -> Result<Vec<bool>, WebSocketError> {
        let context = CallContext::default();
        self.peers
            .send(&context, &self.listener, to, kind, data)
            .await
    }

    async fn queues(&self, client: &dyn Client, kind: &Kind, data: impl Into<Bytes>) {
        let sent = self.send(&[client.number()], kind, data.into()).await;
        assert_eq!(sent, Ok(vec![true]));
    }

    async fn send_to_all(&self, route: &str, kind: &Kind, data: Bytes) -> Reached {
        let context = CallContext::default();
        let sent = self.peers.send_to_all(&context, route, kind, data);
        sent.await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until a peer cannot be sent to any more.
    async fn is_gone(&self, number: u64) {
        while self.send(&[number], &Kind::Binary, Bytes::new()).await != Ok(vec![false]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn all_queued(peers: u64) -> Reached {
    Reached {
        queued: peers,
        ..Reached::default()
    }
}

async fn a_message_comes_as_it_was(fixture: Fixture) {
    let mut client = fixture.connect(ROUTES[0]).await;
    for text in ["", "two words", "\u{1F980}\n\u{0}"] {
        fixture.queues(&*client, &Kind::Text, text).await;
        assert_eq!(client.receive().await, Received::Text(text.to_owned()));
    }
    for bytes in [0, 1, 125, 126, 65_535, 65_536, 1_500_000] {
        let data: Bytes = (0..bytes).map(|at: u32| at.to_le_bytes()[0]).collect();
        fixture.queues(&*client, &Kind::Binary, data.clone()).await;
        assert!(client.receive().await == Received::Binary(data), "{bytes}");
    }
}

async fn messages_come_in_their_order(fixture: Fixture) {
    let mut client = fixture.connect(ROUTES[0]).await;
    for number in 0..100 {
        fixture
            .queues(&*client, &Kind::Text, number.to_string())
            .await;
    }
    for number in 0..100 {
        assert_eq!(client.receive().await, Received::Text(number.to_string()));
    }
}

async fn some_get_it_and_of_the_others_it_is_said(fixture: Fixture) {
    let mut one = fixture.connect(ROUTES[0]).await;
    let gone = fixture.connect(ROUTES[0]).await.number();
    let mut other = fixture.connect(ROUTES[0]).await;
    fixture.is_gone(gone).await;
    let to = [one.number(), gone, other.number(), one.number()];
    let sent = fixture.send(&to, &Kind::Text, "x".into()).await;
    assert_eq!(sent, Ok(vec![true, false, true, true]));
    for client in [&mut one, &mut other] {
        assert_eq!(client.receive().await, Received::Text("x".to_owned()));
    }
    assert_eq!(one.receive().await, Received::Text("x".to_owned()));
    assert_eq!(fixture.send(&[], &Kind::Text, "x".into()).await, Ok(vec![]));
}

async fn all_of_a_route_get_it_and_nobody_else(fixture: Fixture) {
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(fixture.connect(ROUTES[1]).await);
    }
    let mut other = fixture.connect(ROUTES[2]).await;
    for (route, peers) in [(ROUTES[1], 10), (ROUTES[2], 1), ("/nowhere", 0)] {
        let reached = fixture
            .send_to_all(route, &Kind::Text, Bytes::from(route))
            .await;
        assert_eq!(reached, all_queued(peers), "{route}");
    }
    for client in &mut all {
        assert_eq!(client.receive().await, Received::Text(ROUTES[1].to_owned()));
    }
    assert_eq!(other.receive().await, Received::Text(ROUTES[2].to_owned()));
    // The next run of this case counts anew.
    let numbers: Vec<_> = all
        .iter()
        .chain([&other])
        .map(|client| client.number())
        .collect();
    drop((all, other));
    for number in numbers {
        fixture.is_gone(number).await;
    }
}

async fn one_of_all_who_has_no_room_is_counted(fixture: Fixture) {
    let slow = fixture.connect(ROUTES[2]).await;
    let data = Bytes::from(vec![7; 256 * 1024]);
    let mut sent = 0;
    let last = loop {
        let reached = fixture
            .send_to_all(ROUTES[2], &Kind::Binary, data.clone())
            .await;
        if reached != all_queued(1) {
            break reached;
        }
        sent += 1;
        assert!(sent < 1000, "somebody keeps it all");
    };
    let gone = Reached {
        gone: 1,
        ..Reached::default()
    };
    assert_eq!(last, gone, "after {sent}");
    fixture.is_gone(slow.number()).await;
    drop(slow);
    // The next run of these cases counts anew.
    let empty = || fixture.send_to_all(ROUTES[2], &Kind::Text, Bytes::new());
    while empty().await != Reached::default() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_close_comes_behind_what_was_queued(fixture: Fixture) {
    for code in [1000, 1013, 3000, 4999] {
        let mut client = fixture.connect(ROUTES[0]).await;
        fixture.queues(&*client, &Kind::Text, "last").await;
        let close = Kind::Close(Closing::new(code, "enough"));
        fixture.queues(&*client, &close, "").await;
        let sent = fixture
            .send(&[client.number()], &Kind::Text, "x".into())
            .await;
        assert_eq!(sent, Ok(vec![false]));
        assert_eq!(client.receive().await, Received::Text("last".to_owned()));
        assert_eq!(client.receive().await, Received::Closed(code));
    }
}

async fn who_does_not_read_is_closed_and_holds_up_nobody(fixture: Fixture) {
    let (mut slow, mut quick) = (
        fixture.connect(ROUTES[0]).await,
        fixture.connect(ROUTES[0]).await,
    );
    let to = [slow.number(), quick.number()];
    let data = Bytes::from(vec![7; 256 * 1024]);
    let mut sent = 0;
    loop {
        let queued = fixture.send(&to, &Kind::Binary, data.clone()).await;
        let queued = queued.unwrap_or_else(|error| panic!("{error}"));
        assert!(queued[1], "the quick one is there, after {sent}");
        assert!(quick.receive().await == Received::Binary(data.clone()));
        if !queued[0] {
            break;
        }
        sent += 1;
        assert!(sent < 1000, "somebody keeps it all");
    }
    assert!(sent > 0, "there was room");
    // What had been sent before it may get, and then it is told; or its connection is cut.
    let end = loop {
        match slow.receive().await {
            Received::Closed(code) => break code,
            _before => {}
        }
    };
    assert!([1013, 1006].contains(&end), "{end}");
}

async fn what_cannot_be_sent_is_refused(fixture: Fixture) {
    let mut client = fixture.connect(ROUTES[0]).await;
    let to = [client.number()];
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let close = Kind::Close(Closing::new(code, ""));
        let sent = fixture.send(&to, &close, Bytes::new()).await;
        assert_eq!(sent, Err(WebSocketError::BadCode(code)));
    }
    let over = |limit, max: usize| {
        let (actual, max) = (max as u64 + 1, max as u64);
        Err(WebSocketError::OverLimit { limit, actual, max })
    };
    let close = Kind::Close(Closing {
        code: 1000,
        reason: "x".repeat(REASON_BYTES_MAX + 1),
    });
    let sent = fixture.send(&to, &close, Bytes::new()).await;
    assert_eq!(sent, over(Limit::ReasonBytes, REASON_BYTES_MAX));
    let sent = fixture
        .send(&to, &Kind::Binary, vec![0; MESSAGE_BYTES_MAX + 1].into())
        .await;
    assert_eq!(sent, over(Limit::MessageBytes, MESSAGE_BYTES_MAX));
    let sent = fixture
        .send(&vec![0; RECEIVERS_MAX + 1], &Kind::Text, Bytes::new())
        .await;
    assert_eq!(sent, over(Limit::Receivers, RECEIVERS_MAX));
    let sent = fixture.send(&to, &Kind::Text, vec![0xff].into()).await;
    assert_eq!(sent, Err(WebSocketError::NotText));
    fixture.queues(&*client, &Kind::Text, "still there").await;
    assert_eq!(
        client.receive().await,
        Received::Text("still there".to_owned())
    );
}
