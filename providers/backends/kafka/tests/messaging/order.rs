//! Order by key: while partitions move between nodes, and while the brokers are silent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use wrt_contract::CallContext;
use wrt_kafka::{
    Kafka, KafkaConfig,
    KafkaGroupProtocol::{self, Classic, Consumer},
};
use wrt_messaging::{
    Message, Messaging as _, Order, Subscription, Topic, TopicFilter,
    conformance::{self, Ordered},
};
use wrt_runtime::{Server as _, Serving};

use super::support::{A_WHILE, Component, World, gets, nobody_else, try_serve, until};

fn in_order(subscription: &mut Subscription, key: &str) {
    subscription.order = Order::Key;
    subscription.key = Some(key.to_owned());
}

/// A node that hands what the suite sends to `handler`.
async fn node(
    world: &World,
    handler: &Arc<Ordered>,
    group_protocol: KafkaGroupProtocol,
) -> (Arc<Kafka>, Box<dyn Serving>) {
    let config = KafkaConfig {
        create_topics: vec![TopicFilter::new("conformance.>").expect("legal")],
        group_protocol,
        ..world.config()
    };
    let provider = world.connect(config).await;
    let state = conformance::state(handler.clone(), nobody_else());
    let serving = try_serve(&provider, &state, conformance::ordered_subscription()).await;
    (provider, serving.expect("it serves"))
}

/// Also of those that two nodes have together one of a key is in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_keeps_the_order_of_a_key_while_partitions_move() {
    for protocol in [Classic, Consumer] {
        let (world, handler) = (World::alone(), Arc::new(Ordered::default()));
        let (first, serving) = node(&world, &handler, protocol).await;
        let have_moved = AtomicBool::new(false);
        let orders = async {
            while !have_moved.load(Relaxed) {
                conformance::order_by_key(first.clone(), handler.clone()).await;
            }
        };
        let moves = async {
            for _comes_and_goes in 0..2 {
                let (second, serving) = node(&world, &handler, protocol).await;
                let handled = || second.delivery_counts().handled;
                until("it has a share", || handled() > 0).await;
                assert!(serving.drain(A_WHILE).await);
            }
            have_moved.store(true, Relaxed);
        };
        tokio::join!(orders, moves);
        let counts = first.delivery_counts();
        assert_eq!((counts.dead_lettered, counts.dropped), (0, 0), "{counts:?}");
        assert!(serving.drain(A_WHILE).await);
    }
}

/// A node that hears nothing of its group may have lost its partitions to another one, which would have the
/// next message of a key in hand as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_stopped_when_it_may_be_another_nodes() {
    let world = World::alone();
    let topic = world.make("orders", 1).await;
    let has_come = AtomicBool::new(false);
    let component = Component::that_takes(move |_| match has_come.swap(true, Relaxed) {
        false => Duration::from_secs(300),
        true => Duration::ZERO,
    });
    let target = gets(&topic, |it| in_order(it, "key"));
    let node = world.node(component, Classic, target).await;
    let topic = Topic::new(&topic).expect("legal");
    for data in ["first", "second"] {
        let mut message = Message::new(data);
        message.add_metadata("key".to_owned(), "a".to_owned());
        let context = CallContext::default();
        let sent = node.provider.send(&context, &topic, &message).await;
        sent.expect("it is sent");
    }
    until("one is in hand", || {
        node.component.at_once.load(Relaxed) == 1
    })
    .await;
    world.server.pause().expect("it is paused");
    let counts = || node.provider.delivery_counts();
    until("it is stopped", || counts().put_back == 1).await;
    assert_eq!(node.component.count(), 0, "nothing else has begun");
    world.server.resume().expect("it goes on");
    until("both are handled", || node.component.count() == 2).await;
    assert_eq!(*node.component.handled.lock(), ["first", "second"]);
    assert_eq!((counts().failed, counts().put_back), (0, 1));
}

#[test]
fn a_key_that_is_not_the_records_is_refused() {
    for (key, expected) in [("key", None), ("customer", Some("key"))] {
        let selection = gets("orders", |it| in_order(it, key)).selection;
        let refused = Kafka::check_selections(&[selection]).err();
        assert_eq!(refused.and_then(|refused| refused.field), expected, "{key}");
    }
}
