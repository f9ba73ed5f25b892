//! Losing the link, and closing it.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::time::timeout;
use wrt_transport::{Lane, LinkState, Transport, TransportError};

use super::{
    requests::echo,
    world::{World, eventually, in_time, link_becomes, next, refused, text},
};

pub async fn a_lost_link_is_seen_and_ends_what_is_in_flight(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let mut link = a.link();
    assert_eq!(*link.borrow(), LinkState::Up);
    let mut requests = b
        .subscribe(Lane::Calls, "silent".to_owned(), None)
        .await
        .unwrap();
    let in_flight = a.request("silent".to_owned(), text("x"));
    let lose = async {
        next(&mut requests).await;
        world.lose_link("a").await;
    };
    let (ended, ()) = in_time(async { tokio::join!(in_flight, lose) }).await;
    let ended = refused(ended);
    assert!(
        matches!(ended, TransportError::Disconnected { sent: true }),
        "{ended:?}"
    );
    link_becomes(&mut link, LinkState::Down).await;
    // At once, and without a buffer that would send them much later.
    let at_once = Duration::from_secs(1);
    for lane in [Lane::Control, Lane::Calls, Lane::Bulk] {
        // The link is down as soon as one lane is; the others notice a moment later.
        eventually("the lane is down", || async {
            let publish = a.publish(lane, "any".to_owned(), text("x"));
            timeout(at_once, publish).await.expect("at once").is_err()
        })
        .await;
        let publish = a.publish(lane, "any".to_owned(), text("x"));
        let error = refused(timeout(at_once, publish).await.expect("at once"));
        assert!(
            matches!(error, TransportError::Disconnected { sent: false }),
            "{error:?}"
        );
        let subscribe = a.subscribe(lane, "any".to_owned(), None);
        let error = refused(
            timeout(at_once, subscribe)
                .await
                .expect("at once")
                .map(drop),
        );
        assert!(
            matches!(error, TransportError::Disconnected { .. }),
            "{error:?}"
        );
    }
    let request = a.request("any".to_owned(), text("x"));
    let error = refused(timeout(at_once, request).await.expect("at once"));
    assert!(
        matches!(error, TransportError::Disconnected { sent: false }),
        "{error:?}"
    );
    assert_eq!(world.requests_waiting(&a), 0);
}

pub async fn a_link_comes_back_with_its_subscriptions(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let (mut link_a, mut link_b) = (a.link(), b.link());
    let mut plain = a
        .subscribe(Lane::Control, "back.plain".to_owned(), None)
        .await
        .unwrap();
    let group = Some("group".to_owned());
    let mut grouped = a
        .subscribe(Lane::Bulk, "back.grouped".to_owned(), group)
        .await
        .unwrap();
    let _echo = echo(&a, "back.echo").await;
    for round in ["first", "second"] {
        world.lose_link("a").await;
        link_becomes(&mut link_a, LinkState::Down).await;
        world.restore_link("a").await;
        link_becomes(&mut link_a, LinkState::Up).await;
        link_becomes(&mut link_b, LinkState::Up).await;
        // Up means that the bus knows the subscriptions again: no second try.
        for subject in ["back.plain", "back.grouped"] {
            b.publish(Lane::Calls, subject.to_owned(), text(round))
                .await
                .unwrap();
        }
        assert_eq!(next(&mut plain).await.payload, text(round));
        assert_eq!(next(&mut grouped).await.payload, text(round));
        let answer = in_time(b.request("back.echo".to_owned(), text(round))).await;
        assert_eq!(answer.unwrap(), text(round));
    }
}

pub async fn close_sends_what_is_buffered_and_ends_subscriptions(world: &impl World) {
    const PAYLOADS: usize = 1000;
    let (a, b) = (world.node("a").await, world.node("b").await);
    let mut at_b = b
        .subscribe(Lane::Bulk, "close.>".to_owned(), None)
        .await
        .unwrap();
    let mut silent = b
        .subscribe(Lane::Calls, "silent".to_owned(), None)
        .await
        .unwrap();
    let mut own = a
        .subscribe(Lane::Calls, "own".to_owned(), None)
        .await
        .unwrap();
    for _ in 0..PAYLOADS {
        a.publish(Lane::Bulk, "close.x".to_owned(), text("x"))
            .await
            .unwrap();
    }
    let waiting = a.request("silent".to_owned(), text("x"));
    let close = async {
        next(&mut silent).await;
        timeout(Duration::from_millis(1500), a.close())
            .await
            .expect("close waits at most a second");
    };
    let (waiting, ()) = in_time(async { tokio::join!(waiting, close) }).await;
    assert!(matches!(refused(waiting), TransportError::Closed));
    assert!(in_time(own.next()).await.is_none());
    for _ in 0..PAYLOADS {
        next(&mut at_b).await;
    }
    assert_eq!(*a.link().borrow(), LinkState::Down);
    let error = refused(a.publish(Lane::Calls, "x".to_owned(), text("x")).await);
    assert!(matches!(error, TransportError::Closed), "{error:?}");
    let error = refused(a.request("x".to_owned(), text("x")).await);
    assert!(matches!(error, TransportError::Closed), "{error:?}");
    // The bus has forgotten it.
    let b: Arc<_> = b;
    eventually("nobody subscribes any more", || async {
        let request = b.request("own".to_owned(), text("x"));
        let answer = timeout(Duration::from_millis(200), request).await;
        matches!(answer, Ok(Err(TransportError::NoResponders { .. })))
    })
    .await;
}
