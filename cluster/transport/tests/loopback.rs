//! The loopback's plan of faults, under paused time.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::{
    task::coop::unconstrained,
    time::{Instant, timeout},
};
use wrt_protocol::NodeId;
use wrt_transport::{
    Lane, LinkState, Loopback, LoopbackTransport, Subscription, Transport, TransportError,
};

struct Pair {
    loopback: Loopback,
    a: Arc<LoopbackTransport>,
    b: Arc<LoopbackTransport>,
    at_b: Subscription,
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Two nodes; the second subscribes to `b`.
async fn pair() -> Pair {
    let loopback = Loopback::new();
    let (a, b) = (loopback.transport(node("a")), loopback.transport(node("b")));
    let at_b = b
        .subscribe(Lane::Calls, "b".to_owned(), None)
        .await
        .unwrap();
    Pair {
        loopback,
        a,
        b,
        at_b,
    }
}

async fn publish(from: &LoopbackTransport, number: u8) {
    from.publish(Lane::Calls, "b".to_owned(), Bytes::from(vec![number]))
        .await
        .unwrap();
}

fn arrived(subscription: &mut Subscription) -> Vec<u8> {
    let mut numbers = Vec::new();
    // Unconstrained: tokio would claim now and then that there is nothing, to let others run.
    while let Some(Some(inbound)) = unconstrained(subscription.next()).now_or_never() {
        numbers.push(inbound.payload[0]);
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn a_partition_loses_silently_both_ways() {
    let mut pair = pair().await;
    pair.loopback.partition(&node("b"), &node("a"));
    publish(&pair.a, 1).await;
    publish(&pair.b, 2).await;
    assert_eq!(arrived(&mut pair.at_b), [2]);
    // The bus knows a responder, so nobody says that there is none.
    let request = pair.a.request("b".to_owned(), Bytes::new());
    assert!(timeout(Duration::from_secs(60), request).await.is_err());
    assert_eq!(pair.loopback.requests_waiting(), 0);
    assert_eq!(*pair.a.link().borrow(), LinkState::Up);
    pair.loopback.heal(&node("a"));
    publish(&pair.a, 3).await;
    assert_eq!(arrived(&mut pair.at_b), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_is_forgotten_until_it_heals() {
    let mut pair = pair().await;
    pair.loopback.cut_off(&node("b"));
    publish(&pair.a, 1).await;
    let error = pair.a.request("b".to_owned(), Bytes::new()).await;
    assert!(matches!(error, Err(TransportError::NoResponders { .. })));
    assert!(arrived(&mut pair.at_b).is_empty());
    assert_eq!(*pair.b.link().borrow(), LinkState::Down);
    // A node that starts while its name is cut off has no link either.
    let again = pair.loopback.transport(node("b"));
    assert_eq!(*again.link().borrow(), LinkState::Down);
    pair.loopback.heal(&node("b"));
    assert_eq!(*pair.b.link().borrow(), LinkState::Up);
    assert_eq!(*again.link().borrow(), LinkState::Up);
    publish(&pair.a, 2).await;
    assert_eq!(arrived(&mut pair.at_b), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_waited_for_on_each_hop() {
    let mut pair = pair().await;
    let delay = Duration::from_secs(5);
    pair.loopback.set_delay(delay);
    let started = Instant::now();
    let serve = async {
        let request = pair.at_b.next().await.unwrap();
        assert_eq!(started.elapsed(), delay);
        let to = request.reply.unwrap().0;
        pair.b
            .publish(Lane::Calls, to, request.payload)
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(pair.a.request("b".to_owned(), Bytes::new()), serve);
    answer.unwrap();
    assert_eq!(started.elapsed(), 2 * delay);
}

#[tokio::test(start_paused = true)]
async fn order_survives_a_shorter_delay() {
    let mut pair = pair().await;
    pair.loopback.set_delay(Duration::from_secs(5));
    publish(&pair.a, 1).await;
    pair.loopback.set_delay(Duration::ZERO);
    publish(&pair.a, 2).await;
    assert_eq!(pair.at_b.next().await.unwrap().payload, [1][..]);
    assert_eq!(pair.at_b.next().await.unwrap().payload, [2][..]);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_to_a_node_that_is_cut_off_is_lost() {
    let mut pair = pair().await;
    publish(&pair.a, 1).await;
    pair.loopback.set_delay(Duration::from_secs(1));
    publish(&pair.a, 2).await;
    pair.loopback.cut_off(&node("b"));
    pair.loopback.heal(&node("b"));
    publish(&pair.a, 3).await;
    // The first one had arrived before.
    assert_eq!(pair.at_b.next().await.unwrap().payload, [1][..]);
    assert_eq!(pair.at_b.next().await.unwrap().payload, [3][..]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_loses_the_same_payloads() {
    let run = async |seed| {
        let mut pair = pair().await;
        pair.loopback.lose(0.3, seed);
        for number in 0..=255 {
            publish(&pair.a, number).await;
        }
        arrived(&mut pair.at_b)
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    assert!((130..230).contains(&first.len()), "{}", first.len());
}

#[tokio::test]
async fn a_lost_reply_leaves_the_request_waiting_until_the_caller_gives_up() {
    let mut pair = pair().await;
    let request = pair.a.request("b".to_owned(), Bytes::new());
    let serve = async {
        let request = pair.at_b.next().await.unwrap();
        pair.loopback.lose(1.0, 0);
        let to = request.reply.unwrap().0;
        pair.b.publish(Lane::Calls, to, Bytes::new()).await.unwrap();
    };
    let both = async { tokio::join!(request, serve) };
    assert!(timeout(Duration::from_millis(50), both).await.is_err());
    assert_eq!(pair.loopback.requests_waiting(), 0);
}
