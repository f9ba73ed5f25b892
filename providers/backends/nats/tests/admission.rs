//! What there is no room for stays with the server.

#[path = "messaging/support.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{consumer::PullConsumer, stream::Stream};
use tokio::time::Instant;
use wrt_contract::{CallContext, GateLimits};
use wrt_messaging::Order;
use wrt_nats::Nats;

use support::{A_WHILE, Component, World, gated, gets_with, send, serve, stream};

const PERMITS: u32 = 4;
const BURST: usize = 10 * PERMITS as usize;
/// The server reads acknowledgements beside requests for messages, so it may count one for a moment that is
/// acknowledged already.
const COUNTED_MAX: usize = 2 * PERMITS as usize;
const LIMITS: GateLimits = GateLimits {
    concurrency_max: PERMITS,
    queue_max: PERMITS,
};

fn slow() -> Arc<Component> {
    Arc::new(Component {
        takes: Duration::from_millis(100),
        ..Component::that(|_| None)
    })
}

async fn in_hand(stream: &Stream) -> usize {
    let consumer = stream.get_consumer("shop=handler").await;
    let mut consumer: PullConsumer = consumer.expect("the consumer");
    consumer.info().await.expect("its state").num_ack_pending
}

/// The most that is ever in hand, until all of a burst are handled: here, and as the server counts.
async fn most_in_hand(world: &World, provider: &Nats, component: &Component) -> (u32, usize) {
    let stream = world.jetstream().await.get_stream("ORDERS").await;
    let (stream, mut most) = (stream.expect("the stream"), (0, 0));
    let until = Instant::now() + A_WHILE;
    while component.count() < BURST {
        let here = provider.delivery_counts().in_hand;
        most = (most.0.max(here), most.1.max(in_hand(&stream).await));
        assert!(Instant::now() < until, "{} are handled", component.count());
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_of_a_burst_is_in_hand_than_there_are_permits() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let (provider, component) = (world.connect(world.config()).await, slow());
    for at in 0..BURST {
        let sent = send(&provider, "orders.a", &at.to_string()).await;
        assert_eq!(sent, Ok(()));
    }
    let (state, gate) = gated(&component, LIMITS);
    let target = gets_with(&["orders.>"], |it| it.in_hand_max = 64);
    let _serving = serve(&provider, &state, vec![target]).await;
    let (here, counted) = most_in_hand(&world, &provider, &component).await;
    assert_eq!(here, PERMITS, "the permits are used, and no more");
    assert!(counted <= COUNTED_MAX, "{counted} as the server counts");
    let (counts, load) = (provider.delivery_counts(), gate.load());
    assert_eq!((counts.put_back, load.refused), (0, 0), "{counts:?}");
    assert!(component.times().values().all(|times| *times == 1));
}

/// Whoever else calls the component has permits too, and the subscription does not starve behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_in_hand_counts_and_one_message_is_always_let_in() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let (provider, component) = (world.connect(world.config()).await, slow());
    let (state, gate) = gated(&component, LIMITS);
    let mut others = Vec::new();
    for _ in 0..PERMITS {
        let permit = gate.admit(&CallContext::default()).await;
        others.push(permit.expect("it is free"));
    }
    let target = gets_with(&["orders.>"], |it| it.in_hand_max = 64);
    let _serving = serve(&provider, &state, vec![target]).await;
    for at in 0..BURST {
        let sent = send(&provider, "orders.a", &at.to_string()).await;
        assert_eq!(sent, Ok(()));
    }
    let jetstream = world.jetstream().await;
    let stream = jetstream.get_stream("ORDERS").await.expect("the stream");
    let until = Instant::now() + A_WHILE;
    while gate.load().waiting == 0 {
        assert!(Instant::now() < until, "one waits for its turn");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(in_hand(&stream).await, 1);
    others.pop();
    let until = Instant::now() + A_WHILE;
    while component.count() < 2 {
        let here = provider.delivery_counts().in_hand;
        // One is handled; the one before may still have its acknowledgement on the way.
        assert!(here <= 2, "one permit is free for it, and not {here}");
        assert!(Instant::now() < until, "it goes on with that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(others);
    let (here, _) = most_in_hand(&world, &provider, &component).await;
    assert_eq!(here, PERMITS);
}

/// In order by key the server knows nothing of what is in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_are_handled_in_order_than_there_are_permits() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let (provider, component) = (world.connect(world.config()).await, slow());
    let (state, gate) = gated(&component, LIMITS);
    let target = gets_with(&["orders.>"], |it| {
        it.in_hand_max = 64;
        it.order = Order::Key;
        it.key = Some("customer".to_owned());
    });
    let _serving = serve(&provider, &state, vec![target]).await;
    for at in 0..BURST {
        let sent = send(&provider, "orders.a", &at.to_string()).await;
        assert_eq!(sent, Ok(()));
    }
    let until = Instant::now() + A_WHILE;
    while component.count() < BURST {
        let counts = provider.delivery_counts();
        assert!(counts.in_hand <= PERMITS, "{counts:?}");
        assert!(Instant::now() < until, "{} are handled", component.count());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (counts, load) = (provider.delivery_counts(), gate.load());
    assert_eq!((counts.put_back, load.refused), (0, 0), "{counts:?}");
}
