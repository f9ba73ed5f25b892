//! What a subscription holds to when a node, the broker, or who has which partition is not as it was.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use rdkafka::{
    admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    message::Message as _,
};
use tokio::time::{Instant, sleep};
use wrt_contract::CallContext;
use wrt_kafka::KafkaGroupProtocol::{self, Classic, Consumer};
use wrt_messaging::{DeliveryMode, Message, Messaging as _, MessagingError, Topic};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

use super::support::{A_WHILE, Component, World, gets, header, send, send_all, until};

const PROTOCOLS: [KafkaGroupProtocol; 2] = [Classic, Consumer];

fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| number.to_string())
}

/// What is done behind a message that takes long is not done again by whoever has the partition next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_node_that_is_gone_only_what_was_in_hand_comes_again() {
    for protocol in PROTOCOLS {
        let world = World::shared();
        let topic = world.make("orders", 1).await;
        let slow = |data: &str| match data {
            "slow" => Duration::from_secs(300),
            _ => Duration::ZERO,
        };
        let node = world
            .node(Component::that_takes(slow), protocol, gets(&topic, |_| {}))
            .await;
        send(&node.provider, &topic, "slow")
            .await
            .expect("it is sent");
        send_all(&node.provider, &topic, numbers(20)).await;
        until("the others are handled", || node.component.count() == 20).await;
        until("the prefix and the rest are committed", || {
            world.committed("handler", &topic, 0) == (Some(0), "wrt1 1-20".to_owned())
        })
        .await;
        drop(node.serving);

        let next = world
            .node(Component::handles(), protocol, gets(&topic, |_| {}))
            .await;
        until("all is committed", || {
            world.committed("handler", &topic, 0) == (Some(21), String::new())
        })
        .await;
        assert_eq!(*next.component.handled.lock(), ["slow"], "{protocol:?}");
    }
}

/// Partitions come and go while messages are in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_shared_out_anew_loses_nothing() {
    for protocol in PROTOCOLS {
        let world = World::shared();
        let topic = world.make("orders", 6).await;
        let component = || Component::that_takes(|_| Duration::from_millis(10));
        let target = || gets(&topic, |it| it.in_hand_max = 4);
        let first = world.node(component(), protocol, target()).await;
        send_all(&first.provider, &topic, numbers(200)).await;
        until("some are handled", || first.component.count() > 50).await;
        let second = world.node(component(), protocol, target()).await;
        let (mut sent, began) = (200, Instant::now());
        while second.component.count() < 50 {
            assert!(
                began.elapsed() < A_WHILE,
                "{protocol:?}: the second has no share"
            );
            send_all(
                &first.provider,
                &topic,
                (sent..sent + 20).map(|it| it.to_string()),
            )
            .await;
            sent += 20;
            sleep(Duration::from_millis(20)).await;
        }
        send_all(
            &first.provider,
            &topic,
            (sent..sent + 100).map(|it| it.to_string()),
        )
        .await;
        sent += 100;
        assert!(first.serving.drain(A_WHILE).await, "it lets go");
        let handled = || {
            let mut times = first.component.times();
            for (data, count) in second.component.times() {
                *times.entry(data).or_default() += count;
            }
            times
        };
        until("all are handled", || handled().len() == sent).await;
        let twice = handled().values().filter(|count| **count > 1).count();
        assert!(
            twice <= 8,
            "{protocol:?}: {twice} twice: more than was in hand"
        );
        for node in [&first, &second] {
            let most = node.component.at_once_most.load(Relaxed);
            assert!(most <= 4, "{most} at once");
        }
    }
}

/// Fails when a place in hand that is free again stays so until the client has gone on with what was paused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_free_is_used() {
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let takes = Duration::from_millis(200);
    let target = gets(&topic, |it| it.in_hand_max = 4);
    let slow = Component::that_takes(move |_| takes);
    let node = world.node(slow, Classic, target).await;
    send_all(&node.provider, &topic, numbers(80)).await;
    until("it begins", || node.component.count() > 0).await;
    let began = Instant::now();
    until("all are handled", || node.component.count() == 80).await;
    let took = began.elapsed();
    println!("80 messages, 4 at a time, of {takes:?} each: {took:?}");
    assert!(took < takes * 80 / 4 * 2, "{took:?}");
}

/// Attempts are counted where the next node finds them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_across_nodes() {
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let calls = Arc::new(AtomicU32::new(0));
    for number in 1..=3 {
        let count = Arc::clone(&calls);
        let fails = Component::that(move |_| {
            count.fetch_add(1, Relaxed);
            Some(MessagingError::other("never"))
        });
        // The next attempt is another node's.
        let target = gets(&topic, |it| {
            it.attempts_max = 3;
            it.pause_ms_min = 60_000;
            it.pause_ms_max = 60_000;
        });
        let node = world.node(fails, Classic, target).await;
        if number == 1 {
            send(&node.provider, &topic, "poison")
                .await
                .expect("it is sent");
        }
        until("it is settled", || {
            let counts = node.provider.delivery_counts();
            counts.failed == 1 && counts.in_hand == 0
        })
        .await;
        assert!(node.serving.drain(A_WHILE).await);
        assert_eq!(calls.load(Relaxed), number);
    }
    let letters = format!("{}.handler", world.config().dead_letter_topic);
    let letters = world.letters(&letters, 1).await;
    assert_eq!(header(&letters[0], "Wrt-Dead-Attempts"), "3");
    assert_eq!(header(&letters[0], "Wrt-Dead-Offset"), "0");
    assert_eq!(letters[0].payload(), Some(&b"poison"[..]));
    assert_eq!(world.committed("handler", &topic, 0).0, Some(1));
}

/// It stays in its topic, and is stored as soon as it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_cannot_be_stored_is_not_lost() {
    const LIMIT: &str = "max.message.bytes";
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let letters = format!("{}.handler", world.config().dead_letter_topic);
    let small = NewTopic::new(&letters, 1, TopicReplication::Fixed(1)).set(LIMIT, "100");
    world.make_as(small).await;
    let fails = Component::that(|data| {
        let is_poison = data.starts_with('x');
        is_poison.then(|| MessagingError::other("never"))
    });
    let node = world.node(fails, Classic, gets(&topic, |_| {})).await;
    let poison = "x".repeat(1000);
    send(&node.provider, &topic, &poison)
        .await
        .expect("it is sent");
    send(&node.provider, &topic, "behind")
        .await
        .expect("it is sent");
    let counts = || node.provider.delivery_counts();
    until("it is given up more than once", || counts().failed > 3).await;
    assert_eq!((counts().dead_lettered, node.component.count()), (0, 1));
    assert_eq!(world.committed("handler", &topic, 0).0, Some(0));
    let large = AlterConfig::new(ResourceSpecifier::Topic(&letters)).set(LIMIT, "100000");
    let altered = world
        .admin()
        .alter_configs(&[large], &AdminOptions::new())
        .await;
    altered
        .expect("an answer")
        .remove(0)
        .expect("it is altered");
    until("it is stored", || counts().dead_lettered == 1).await;
    let letter = world.letters(&letters, 1).await.remove(0);
    assert_eq!(letter.payload(), Some(poison.as_bytes()));
    until("it is acknowledged", || {
        world.committed("handler", &topic, 0).0 == Some(2)
    })
    .await;
}

/// An outage of the component makes no dead letters, and its messages stay in order of nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_makes_no_dead_letters() {
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let refusals = Arc::new(AtomicU32::new(0));
    let away = Arc::clone(&refusals);
    let component = Component::that(move |_| {
        let kind = match away.fetch_add(1, Relaxed) {
            count if count >= 20 => return None,
            count if count % 2 == 0 => FaultKind::Unavailable,
            _ => FaultKind::Draining,
        };
        Some(Fault::not_executed(kind, Hop::Gate, "away").into())
    });
    let node = world.node(component, Classic, gets(&topic, |_| {})).await;
    send_all(&node.provider, &topic, numbers(3)).await;
    until("they are handled at last", || node.component.count() >= 3).await;
    let counts = node.provider.delivery_counts();
    let told = (counts.put_back, counts.failed, counts.dead_lettered);
    assert_eq!(told, (20, 0, 0), "{counts:?}");
    assert!(node.component.times().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_reaches_each_replica_and_a_queue_one() {
    for (delivery, expected) in [
        (DeliveryMode::Broadcast, 40),
        (DeliveryMode::AtMostOnce, 20),
    ] {
        let world = World::shared();
        let topic = world.make("news", 2).await;
        let target = || {
            gets(&topic, |it| {
                it.delivery = delivery;
                it.in_hand_max = 64;
            })
        };
        let nodes = [
            world.node(Component::handles(), Classic, target()).await,
            world.node(Component::handles(), Classic, target()).await,
        ];
        let count = || {
            nodes
                .iter()
                .map(|node| node.component.count())
                .sum::<usize>()
        };
        // A queue begins when partitions are shared out: it gets what is sent from then on.
        let began = Instant::now();
        while count() == 0 {
            assert!(began.elapsed() < A_WHILE, "{delivery:?}: nothing comes");
            send(&nodes[0].provider, &topic, "begin")
                .await
                .expect("it is sent");
            sleep(Duration::from_millis(50)).await;
        }
        send_all(&nodes[0].provider, &topic, numbers(20)).await;
        let heard = || {
            let each = nodes.iter().map(|node| node.component.times());
            let each = each.flatten().filter(|(data, _)| data != "begin");
            each.map(|(_, times)| times).sum::<usize>()
        };
        until("all are handled", || heard() >= expected).await;
        assert_eq!(heard(), expected, "{delivery:?}");
    }
}

/// The broker is killed and comes back: what it has acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_loses_nothing_that_it_has_acknowledged() {
    let world = World::alone();
    let topic = world.make("orders", 2).await;
    let component = Component::that_takes(|_| Duration::from_millis(20));
    let node = world
        .node(component, Classic, gets(&topic, |it| it.in_hand_max = 4))
        .await;
    send_all(&node.provider, &topic, numbers(60)).await;
    until("some are in hand", || node.component.count() > 10).await;
    world.server.kill().expect("kill");
    let killed = Instant::now();
    let refused = loop {
        let message = Message::new("away");
        let context = CallContext::with_budget(Duration::from_secs(1));
        let to = Topic::new(&topic).expect("legal");
        let sent = node.provider.send(&context, &to, &message).await;
        let Err(MessagingError::Fault(fault)) = sent else {
            panic!("nobody has it: {sent:?}");
        };
        match fault.execution() {
            Execution::NotExecuted => break fault,
            Execution::MaybeExecuted => {}
            Execution::Executed => panic!("{fault}"),
        }
        assert!(killed.elapsed() < A_WHILE, "it is known by now: {fault}");
    };
    assert!(refused.to_string().contains("kafka"), "{refused}");
    world.server.restart().expect("restart");
    let back = Instant::now();
    while send(&node.provider, &topic, "back").await.is_err() {
        assert!(back.elapsed() < A_WHILE, "it is not used again");
        sleep(Duration::from_millis(50)).await;
    }
    let expected: BTreeSet<_> = numbers(60).chain(["back".to_owned()]).collect();
    until("each that was acknowledged is handled", || {
        let times = node.component.times();
        expected.iter().all(|data| times.contains_key(data))
    })
    .await;
}
