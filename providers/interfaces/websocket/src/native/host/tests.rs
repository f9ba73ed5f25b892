//! The glue as a guest meets it, without a guest.

use std::sync::Arc;

use wrt_host::InstanceState;
use wrt_protocol::{Epoch, FaultKind, Incarnation, NodeId};
use wrt_test_kit::{linked_instance, name, unreachable};

use super::{
    peers::{ConnectError, Connecting, Error, Host as _, Outcome},
    types::{Closing, Message},
    *,
};
use crate::{Listener, Next, PeerId, Peers, Place, QueueLimits};

const LIMITS: QueueLimits = QueueLimits {
    messages_max: 8,
    bytes_max: 1024,
};

/// A listener in this process, with a peer.
struct Server {
    listener: Arc<Listener>,
    place: Place,
}

impl Server {
    fn new() -> Self {
        let listener = Arc::<Listener>::default();
        let place = listener.table().add("/chat".into(), LIMITS);
        place.enter();
        Self { listener, place }
    }

    fn link(&self) -> Arc<dyn Peers> {
        self.listener.clone()
    }

    fn peer(&self, link: &str) -> String {
        id(link, None, self.place.number())
    }

    async fn text(&self) -> String {
        match self.place.queue().next().await {
            Next::Message {
                is_text: true,
                data,
            } => String::from_utf8(data.into()).expect("text"),
            other => panic!("{other:?}"),
        }
    }
}

fn id(link: &str, home: Option<Incarnation>, number: u64) -> String {
    let link = name(link);
    PeerId { link, home, number }.to_string()
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn told(state: &mut InstanceState, error: HostError) -> Error {
    state.convert_error(error).expect("no trap")
}

#[tokio::test]
async fn each_peer_is_reached_by_its_own_link() {
    let (one, two) = (Server::new(), Server::new());
    let links = [("default", &one.link()), ("other", &two.link())];
    let mut state = linked_instance::<PeersInterface>(&links);
    let strange = "no peer at all".to_owned();
    let gone = id("default", None, 7);
    let to = vec![two.peer("other"), gone, one.peer("default"), strange];
    let sent = state.send(to, text("x")).await.expect("it is sent");
    assert_eq!(
        sent,
        [
            Outcome::Queued,
            Outcome::Gone,
            Outcome::Queued,
            Outcome::Gone
        ]
    );
    assert_eq!(
        (one.text().await, two.text().await),
        ("x".into(), "x".into())
    );

    let route = "/chat".to_owned();
    let reached = state.send_to_all("other".into(), route, text("y")).await;
    assert_eq!(reached.expect("it is sent").queued, 1);
    assert_eq!(two.text().await, "y");

    let closing = Closing {
        code: 4000,
        reason: "enough".to_owned(),
    };
    let closed = state.close(vec![one.peer("default")], closing).await;
    assert_eq!(closed.expect("it is sent"), [Outcome::Queued]);
    let end = one.place.queue().next().await;
    assert_eq!(end, Next::End(crate::Closing::new(4000, "enough")));
}

#[tokio::test]
async fn what_cannot_be_is_told_in_the_words_of_the_wit() {
    let server = Server::new();
    let mut state = linked_instance::<PeersInterface>(&[("default", &server.link())]);
    let no_link = Error::NoSuchLink("other".to_owned());
    let error = state.send(vec![server.peer("other")], text("x")).await;
    let error = error.expect_err("there is no link");
    assert_eq!(
        format!("{:?}", told(&mut state, error)),
        format!("{no_link:?}")
    );
    let error = state
        .send_to_all("other".into(), "/".into(), text("x"))
        .await;
    let error = error.expect_err("there is no link");
    assert_eq!(
        format!("{:?}", told(&mut state, error)),
        format!("{no_link:?}")
    );
    let closing = Closing {
        code: 1006,
        reason: String::new(),
    };
    let error = state.close(vec![server.peer("default")], closing).await;
    let error = error.expect_err("nobody may send it");
    assert!(matches!(told(&mut state, error), Error::BadCode(1006)));
    let large = Message::Binary(vec![0; crate::limits::MESSAGE_BYTES_MAX + 1]);
    let error = state
        .send(vec![], large)
        .await
        .expect_err("it is too large");
    assert!(matches!(told(&mut state, error), Error::OverLimit(_)));
}

/// A failure of the lattice is an answer, and no trap.
#[tokio::test]
async fn a_server_that_cannot_be_reached_is_said_of_each_peer() {
    let home = || {
        Some(Incarnation {
            node: NodeId::new("west").expect("a legal name"),
            epoch: Epoch(1),
        })
    };
    for (kind, expected) in [
        (FaultKind::StaleEpoch, Outcome::Gone),
        (FaultKind::NodeLost, Outcome::NotSent),
        (FaultKind::Unavailable, Outcome::NotSent),
    ] {
        let server = unreachable::<PeersInterface>(kind);
        let mut state = linked_instance::<PeersInterface>(&[("default", &server)]);
        let to = vec![id("default", home(), 1), id("default", home(), 2)];
        let sent = state.send(to, text("x")).await.expect("an answer");
        assert_eq!(sent, [expected, expected]);
        let error = state
            .send_to_all("default".into(), "/".into(), text("x"))
            .await;
        let error = error.expect_err("nobody is there");
        assert!(matches!(told(&mut state, error), Error::Unavailable(_)));
    }
}

fn connecting(link: &str) -> Connecting {
    Connecting {
        link: link.to_owned(),
        route: "feed".to_owned(),
        url: "ws://a.test/".to_owned(),
        headers: Vec::new(),
        protocols: Vec::new(),
    }
}

#[tokio::test]
async fn why_there_is_no_connection_is_told_in_the_words_of_the_wit() {
    let (server, away) = (Server::new(), FaultKind::Unavailable);
    let away = unreachable::<PeersInterface>(away);
    let links = [("default", &server.link()), ("away", &away)];
    let mut state = linked_instance::<PeersInterface>(&links);
    let large = Connecting {
        url: "x".repeat(crate::limits::CONNECTING_BYTES_MAX + 1),
        ..connecting("default")
    };
    for (asked, is_expected) in [
        (
            connecting("other"),
            (|error| matches!(error, ConnectError::NoSuchLink(link) if link == "other"))
                as fn(&ConnectError) -> bool,
        ),
        // Who only listens.
        (
            connecting("default"),
            |error| matches!(error, ConnectError::NoSuchRoute(route) if route == "feed"),
        ),
        (large, |error| matches!(error, ConnectError::OverLimit(_))),
        (connecting("away"), |error| {
            matches!(error, ConnectError::Unavailable(_))
        }),
    ] {
        let error = state.connect(asked).await.expect_err("there is none");
        let error = state.convert_connect_error(error).expect("no trap");
        assert!(is_expected(&error), "{error:?}");
    }
}
