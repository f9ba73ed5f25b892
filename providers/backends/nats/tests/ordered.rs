//! Order by key: with one owner, with several replicas, over a takeover, and what it refuses.

#[path = "messaging/support.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Instant,
};

use async_nats::jetstream::stream::{Config, RetentionPolicy};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::watch;
use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{
    Message, MessageHandler, Messaging as _, MessagingError, Order, Subscription,
    conformance::{self, Ordered},
};
use wrt_nats::{ConnectError, Nats};
use wrt_protocol::{Epoch, Fence, LeaseName};
use wrt_runtime::{Alone, Owned, Ownership, Record, Subscriptions as _, Target};

use support::{
    A_WHILE, Component, World, gets, gets_with, send, serve, shop, stream, topic, try_serve, until,
};

/// Ownership that the test gives and takes away.
#[derive(Clone)]
struct ByHand(Arc<watch::Sender<Option<Instant>>>);

impl ByHand {
    fn nobody() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }

    fn give(&self) {
        self.0.send_replace(Some(Instant::now() + A_WHILE));
    }

    fn take_away(&self) {
        self.0.send_replace(None);
    }
}

impl Ownership for ByHand {
    fn own<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Owned> {
        async {
            let mut given = self.0.subscribe();
            given.wait_for(Option::is_some).await.expect("it is there");
            Owned::new(1, given, || async {}.boxed()).by(lease())
        }
        .boxed()
    }

    fn record(&self, name: &str) -> Arc<dyn Record> {
        Alone.record(name)
    }
}

fn lease() -> LeaseName {
    LeaseName::new("provider.shop.bus.work").expect("a legal name")
}

/// A handler that notes under which lease it is called.
#[derive(Default)]
struct Noting(Mutex<Vec<Option<Fence>>>);

#[async_trait]
impl MessageHandler for Noting {
    async fn handle(&self, context: &CallContext, _: &Message) -> Result<(), MessagingError> {
        self.0.lock().push(context.fence().cloned());
        Ok(())
    }
}

fn ordered(change: impl FnOnce(&mut Subscription)) -> Target<Subscription> {
    gets_with(&["orders.>"], |it| {
        it.order = Order::Key;
        it.key = Some("customer".to_owned());
        change(it);
    })
}

async fn send_of(provider: &Nats, customer: &str, data: &str) {
    let mut message = Message::new(data.to_owned());
    message.metadata = vec![("customer".to_owned(), customer.to_owned())];
    let context = CallContext::default().for_operation();
    let sent = provider.send(&context, &topic("orders.a"), &message).await;
    assert_eq!(sent, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_keeps_the_order_of_a_key() {
    let world = World::start().await;
    world.make(stream("CONFORMANCE", "conformance.>")).await;
    let provider = world.connect(world.config()).await;
    let handler = Arc::new(Ordered::default());
    let state = conformance::state(handler.clone(), support::nobody_else());
    let targets = vec![conformance::ordered_subscription()];
    let serving = serve(&provider, &state, targets).await;
    conformance::order_by_key(provider.clone(), handler).await;
    assert!(serving.drain(A_WHILE).await);
}

/// The next owner goes on where the last one was: what is done with does not come again, what is not does, in
/// order and with its failed attempts counted; of two replicas only the owner has anything in hand.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_owner_goes_on_where_the_last_one_was() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let attempts = Arc::new(AtomicU32::new(0));
    let is_mended = Arc::new(AtomicU32::new(0));
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let (attempts, is_mended) = (Arc::clone(&attempts), Arc::clone(&is_mended));
        let component = Arc::new(Component::that(move |data| {
            (data == "a1").then(|| attempts.fetch_add(1, Relaxed));
            (data == "a1" && is_mended.load(Relaxed) == 0).then(|| MessagingError::other("not yet"))
        }));
        let (provider, hand) = (world.connect(world.config()).await, ByHand::nobody());
        let state = shop(&component).with_ownership(Arc::new(hand.clone()));
        let target = ordered(|it| {
            it.attempts_max = 100;
            it.pause_ms_min = 50;
            it.pause_ms_max = 50;
        });
        let serving = serve(&provider, &state, vec![target]).await;
        nodes.push((component, provider, hand, serving));
    }
    let sender = &nodes[0].1;
    for (customer, data) in [
        ("a", "a1"),
        ("b", "b1"),
        ("a", "a2"),
        ("b", "b2"),
        ("c", "c1"),
    ] {
        send_of(sender, customer, data).await;
    }
    assert_eq!(
        send(sender, "orders.b", "none").await,
        Ok(()),
        "without a key"
    );
    nodes[0].2.give();
    until("the other keys go on while one pauses", || {
        nodes[0].0.count() == 4 && attempts.load(Relaxed) >= 3
    })
    .await;
    let mut first = nodes[0].0.handled.lock().clone();
    first.sort_unstable();
    assert_eq!(first, ["b1", "b2", "c1", "none"]);
    assert_eq!(nodes[1].0.count(), 0, "it owns nothing");

    nodes[0].2.take_away();
    until("nothing is in hand any more", || {
        nodes[0].1.delivery_counts().in_hand == 0
    })
    .await;
    is_mended.store(1, Relaxed);
    nodes[1].2.give();
    until("the rest is handled", || nodes[1].0.count() >= 2).await;
    send_of(sender, "b", "b3").await;
    until("and what comes later", || nodes[1].0.count() >= 3).await;
    assert_eq!(*nodes[1].0.handled.lock(), ["a1", "a2", "b3"]);
    assert_eq!(
        nodes[1].1.delivery_counts().redelivered,
        1,
        "it has failed before"
    );
    let (_, _, _, serving) = nodes.remove(1);
    assert!(serving.drain(A_WHILE).await);
    let counts = nodes[0].1.delivery_counts();
    assert_eq!((counts.dead_lettered, counts.dropped), (0, 0), "{counts:?}");
}

/// Fails when a handler can do more behind the back of the next owner than it should.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_called_under_the_owners_lease() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let provider = world.connect(world.config()).await;
    let (handler, hand) = (Arc::new(Noting::default()), ByHand::nobody());
    let state = conformance::state(handler.clone(), support::nobody_else());
    let state = state.with_ownership(Arc::new(hand.clone()));
    let serving = serve(&provider, &state, vec![ordered(|_| {})]).await;
    hand.give();
    for data in ["a1", "a2"] {
        send_of(&provider, "a", data).await;
    }
    until("both are handled", || handler.0.lock().len() == 2).await;
    let fence = Fence::new(lease(), Epoch(1));
    assert_eq!(*handler.0.lock(), [Some(fence.clone()), Some(fence)]);
    assert!(serving.drain(A_WHILE).await);
}

/// What is given up becomes a dead letter, and the next one of its key goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_lets_its_key_go_on() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let component = Arc::new(Component::that(|data| {
        (data == "poison").then(|| MessagingError::other("never"))
    }));
    let provider = world.connect(world.config()).await;
    let _serving = serve(&provider, &shop(&component), vec![ordered(|_| {})]).await;
    for data in ["poison", "behind"] {
        send_of(&provider, "a", data).await;
    }
    until("what is behind it is handled", || component.count() == 1).await;
    let letters = world.letters("dead-letters-", 1).await;
    assert_eq!(letters[0].payload, "poison");
    let counts = provider.delivery_counts();
    assert_eq!((counts.failed, counts.dead_lettered), (2, 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_keeps_nothing_has_no_order() {
    let world = World::start().await;
    let config = Config {
        retention: RetentionPolicy::WorkQueue,
        ..stream("ORDERS", "orders.>")
    };
    world.make(config).await;
    let provider = world.connect(world.config()).await;
    let state = shop(&Component::handles());
    let refused = try_serve(&provider, &state, vec![ordered(|_| {})])
        .await
        .err();
    let is_told =
        matches!(&refused, Some(ConnectError::Subscription(text)) if text.contains("limits"));
    assert!(is_told, "{refused:?}");
    serve(&provider, &state, vec![gets(&["orders.>"])]).await;
}

/// An order that is asked for later, and given up again: nothing comes twice for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_when_its_order_changes() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let component = Component::handles();
    for (round, is_ordered) in [false, true, false, true].into_iter().enumerate() {
        let provider = world.connect(world.config()).await;
        let target = match is_ordered {
            true => ordered(|_| {}),
            false => gets(&["orders.>"]),
        };
        let serving = serve(&provider, &shop(&component), vec![target]).await;
        for at in 0..5 {
            send_of(&provider, "a", &format!("{round}.{at}")).await;
        }
        until("all are handled", || component.count() >= 5 * (round + 1)).await;
        assert!(serving.drain(A_WHILE).await);
    }
    let times = component.times();
    assert_eq!((times.len(), component.count()), (20, 20), "{times:?}");
}

/// What a subscription keeps at the server goes when it is purged, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_purged_begins_anew() {
    for is_ordered in [false, true] {
        let world = World::start().await;
        world.make(stream("ORDERS", "orders.>")).await;
        let component = Arc::new(Component::that(|data| {
            (data == "poison").then(|| MessagingError::other("never"))
        }));
        let target = || match is_ordered {
            true => ordered(|_| {}),
            false => gets(&["orders.>"]),
        };
        for (round, expected) in [(1, 1), (2, 1), (3, 2)] {
            let provider = world.connect(world.config()).await;
            let serving = serve(&provider, &shop(&component), vec![target()]).await;
            if round == 1 {
                for data in ["poison", "good"] {
                    send_of(&provider, "a", data).await;
                }
            }
            // The poison is given up once more, when all begins anew.
            world.letters("dead-letters-", 1).await;
            until("it is handled", || component.count() >= expected).await;
            let context = CallContext::default();
            let nobody = provider.end(&context, "nobody").await;
            assert!(nobody.is_err(), "no such component");
            assert_eq!(provider.end(&context, "handler").await, Ok(()));
            if round == 2 {
                assert_eq!(provider.purge(&context, "handler").await, Ok(()));
                assert_eq!(world.stored("dead-letters-").await, 0);
                assert_eq!(
                    provider.purge(&context, "handler").await,
                    Ok(()),
                    "once more"
                );
            }
            assert!(serving.drain(A_WHILE).await);
            assert_eq!(component.count(), expected, "{is_ordered} {round}");
        }
    }
}
