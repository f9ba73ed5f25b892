//! How connections end.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use wrt_contract::InterfaceError;
use wrt_protocol::FaultKind;
use wrt_websocket::{Closing, Kind, PeerOptions};

use super::world::{Accepted, WITHIN, World, to};
use crate::support::{config, until};

impl Accepted {
    /// The code with which it is closed, behind whatever comes before.
    async fn closed(&mut self) -> u16 {
        loop {
            let next = timeout(WITHIN, self.socket.next()).await;
            match next.expect("something comes") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_before)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads on until the connection is closed.
    async fn ends(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(WITHIN, rest).await.expect("it ends");
    }
}

#[tokio::test]
async fn a_server_that_closes_is_answered_and_its_end_is_told() {
    let mut world = World::new().await;
    let (peer, mut server) = world.connects().await;
    let frame = CloseFrame {
        code: 4321.into(),
        reason: "that is all".into(),
    };
    server.socket.close(Some(frame)).await.unwrap();
    assert_eq!(server.closed().await, 4321);
    server.ends().await;
    world.recorder.waits_for("gone 4321").await;
    assert!(!world.sends(&peer, &Kind::Text, "x").await, "it is gone");
    until("its place is free", || {
        world.client.counts().connections == 0
    })
    .await;
    assert_eq!(world.counts()["peers_closed"], 1);
}

#[tokio::test]
async fn a_server_that_dies_is_gone() {
    let mut world = World::new().await;
    let (peer, server) = world.connects().await;
    drop(server);
    world.recorder.waits_for("gone 1006").await;
    assert!(!world.sends(&peer, &Kind::Text, "x").await);
    assert_eq!(world.client.counts().connections, 0);
}

#[tokio::test]
async fn who_closes_it_is_answered_by_the_server() {
    let mut world = World::new().await;
    let (peer, mut server) = world.connects().await;
    assert!(world.sends(&peer, &Kind::Text, "last").await);
    let closing = Kind::Close(Closing::new(4000, "enough"));
    assert!(world.sends(&peer, &closing, "").await);
    let said = server.socket.next().await.unwrap().unwrap();
    assert_eq!(said, Message::text("last"));
    assert_eq!(server.closed().await, 4000);
    server.ends().await;
    world.recorder.waits_for("gone 4000").await;
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009_and_the_server_hears_it() {
    let options = PeerOptions {
        message_bytes_max: 1000,
        ..PeerOptions::default()
    };
    let mut world = World::of(config(), options).await;
    let (_, mut server) = world.connects().await;
    server
        .socket
        .send(Message::binary(vec![1; 1000]))
        .await
        .unwrap();
    world.recorder.waits_for("1000 bytes").await;
    // All of it is on its way before anybody reads what is wrong with it.
    let _reset = server
        .socket
        .send(Message::binary(vec![1; 4_000_000]))
        .await;
    assert_eq!(server.closed().await, 1009);
    world.recorder.waits_for("gone 1009").await;
    assert_eq!(world.counts()["peers_at_fault"], 1);
}

#[tokio::test]
async fn a_server_that_is_silent_is_dropped_and_one_that_answers_stays() {
    let options = PeerOptions {
        ping_interval_ms: 50,
        ping_timeout_ms: 200,
        ..PeerOptions::default()
    };
    let mut world = World::of(config(), options).await;
    let (_, mut silent) = world.connects().await;
    let (lively, server) = world.connects().await;
    let (mut say, mut hear) = server.socket.split();
    let answers = tokio::spawn(async move { while let Some(Ok(_)) = hear.next().await {} });
    // It reads, and answers nothing.
    let mut bytes = Vec::new();
    let end = timeout(WITHIN, silent.socket.get_mut().read_to_end(&mut bytes)).await;
    assert!(end.is_ok(), "its connection is dropped");
    assert_eq!(bytes[0], 0x89, "it was pinged");
    world.recorder.waits_for("gone 1006").await;
    assert_eq!(world.counts()["peers_silent"], 1);
    say.send(Message::text("there")).await.unwrap();
    world.recorder.waits_for("text there").await;
    assert!(world.sends(&lively, &Kind::Text, "x").await);
    answers.abort();
}

#[tokio::test]
async fn a_provider_that_drains_closes_with_1012_behind_what_is_queued() {
    let mut world = World::new().await;
    let (one, mut first) = world.connects().await;
    let (_, mut second) = world.connects().await;
    assert!(world.sends(&one, &Kind::Text, "last").await);
    let serving = world.serving.take().unwrap();
    let servers = async {
        let said = first.socket.next().await.unwrap().unwrap();
        assert_eq!(said, Message::text("last"));
        for server in [&mut first, &mut second] {
            assert_eq!(server.closed().await, 1012);
            server.ends().await;
        }
    };
    let (drained, ()) = tokio::join!(serving.drain(WITHIN), servers);
    assert!(drained, "nobody was cut off");
    let told = world.recorder.peers();
    assert_eq!(told.len(), 2, "of both ends: {told:?}");
    world.recorder.waits_for("gone 1012").await;
    let refused = world.asks(&to(&world.url("/"))).await.unwrap_err();
    let kind = refused.as_fault().map(wrt_protocol::Fault::kind);
    assert_eq!(kind, Some(FaultKind::Draining), "{refused}");
}

/// It takes no longer than it may to drain.
#[tokio::test]
async fn a_server_that_does_not_answer_its_end_is_not_waited_for() {
    let mut world = World::new().await;
    let (_, _server) = world.connects().await;
    let serving = world.serving.take().unwrap();
    let patience = Duration::from_millis(200);
    let drained = timeout(WITHIN, serving.drain(patience)).await;
    assert_eq!(drained, Ok(false), "it was cut off");
    until("it is gone", || world.client.counts().connections == 0).await;
}

#[tokio::test]
async fn nobody_is_left_when_a_provider_is_dropped() {
    let mut world = World::new().await;
    let (peer, _server) = world.connects().await;
    let handler = Arc::downgrade(&world.recorder);
    drop(world.serving.take());
    until("it is closed", || world.client.counts().connections == 0).await;
    assert!(!world.sends(&peer, &Kind::Text, "x").await);
    drop(world);
    until("nobody keeps the handler", || handler.strong_count() == 0).await;
}
