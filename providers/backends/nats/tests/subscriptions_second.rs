//! What a subscription holds to the second time: topics that change, a stream that is made anew, a replica
//! that leaves, a reply that is tried again.

#[path = "messaging/support.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::jetstream::consumer::{PullConsumer, pull::Config};
use futures::StreamExt as _;
use wrt_contract::CallContext;
use wrt_messaging::{
    DeliveryMode, Message, Messaging as _, MessagingError, ReplyTo, Subscription, TopicFilter,
};
use wrt_nats::NatsConfig;
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::Target;

use support::{
    A_WHILE, Component, World, gets, gets_with, send, serve, shop, stream, topic, until,
};

/// What an operator has set at the server's consumer stays when the topics of a subscription change.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_has_set_stays_when_topics_change() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let provider = world.connect(world.config()).await;
    let state = shop(&Component::handles());
    let first = serve(&provider, &state, vec![gets(&["orders.a"])]).await;
    assert!(first.drain(A_WHILE).await);
    let jetstream = world.jetstream().await;
    let orders = jetstream.get_stream("ORDERS").await.expect("the stream");
    let group = "shop=handler";
    let consumer: PullConsumer = orders.get_consumer(group).await.expect("the consumer");
    let known = &consumer.cached_info().config;
    let set = Config {
        durable_name: Some(group.to_owned()),
        ack_policy: known.ack_policy,
        ack_wait: known.ack_wait,
        max_ack_pending: known.max_ack_pending,
        filter_subjects: known.filter_subjects.clone(),
        filter_subject: known.filter_subject.clone(),
        sample_frequency: 30,
        max_batch: 7,
        ..Config::default()
    };
    orders.update_consumer(set).await.expect("it is changed");

    let _second = serve(&provider, &state, vec![gets(&["orders.b", "orders.c"])]).await;
    let info = orders.consumer_info(group).await.expect("the consumer");
    let known = info.config;
    assert_eq!(known.filter_subjects, ["orders.b", "orders.c"]);
    assert_eq!((known.sample_frequency, known.max_batch), (30, 7));
}

/// Its messages count from 1 again. What was noted of those before, a failed attempt or a dead letter, is not
/// theirs: a dead letter was taken for one that is stored already, and was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_anew_has_messages_of_its_own() {
    let world = World::start().await;
    let jetstream = world.jetstream().await;
    for round in 1..=2 {
        world.make(stream("ORDERS", "orders.>")).await;
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let component = Arc::new(Component::that(move |_| {
            let count = counted.fetch_add(1, Relaxed);
            let away = Fault::not_executed(FaultKind::Unavailable, Hop::Gate, "away");
            Some(match count {
                0 => away.into(),
                _ => MessagingError::other("never"),
            })
        }));
        let provider = world.connect(world.config()).await;
        let target = gets_with(&["orders.>"], |it| it.attempts_max = 2);
        let serving = serve(&provider, &shop(&component), vec![target]).await;
        let data = format!("poison {round}");
        assert_eq!(send(&provider, "orders.a", &data).await, Ok(()));
        until("it is given up", || {
            provider.delivery_counts().dead_lettered == 1
        })
        .await;
        assert_eq!(
            calls.load(Relaxed),
            3,
            "two attempts, and one that was none"
        );
        assert!(serving.drain(A_WHILE).await);
        let deleted = jetstream.delete_stream("ORDERS").await;
        deleted.expect("it is deleted");
    }
    let letters = world.letters("dead-letters-", 2).await;
    let data: Vec<_> = letters.iter().map(|letter| &letter.payload[..]).collect();
    assert_eq!(data, [b"poison 1", b"poison 2"]);
}

/// While it ends what it has in hand the server must give it no more: what came meanwhile was handled by
/// nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_is_given_no_more() {
    const MESSAGES: usize = 40;
    let world = World::start().await;
    let config = NatsConfig {
        at_most_once_topics: vec![TopicFilter::new("news.>").expect("legal")],
        ..world.config()
    };
    let target = || -> Target<Subscription> {
        gets_with(&["news.>"], |it| {
            it.delivery = DeliveryMode::AtMostOnce;
            it.in_hand_max = 100;
        })
    };
    let slow = Arc::new(Component {
        takes: Duration::from_secs(2),
        ..Component::that(|_| None)
    });
    let (leaver, stayer) = (
        world.connect(config.clone()).await,
        world.connect(config).await,
    );
    let leaving = serve(&leaver, &shop(&slow), vec![target()]).await;
    assert_eq!(send(&stayer, "news.a", "first").await, Ok(()));
    until("it has one in hand", || {
        leaver.delivery_counts().in_hand == 1
    })
    .await;
    let quick = Component::handles();
    let _staying = serve(&stayer, &shop(&quick), vec![target()]).await;
    let sending = async {
        for at in 0..MESSAGES {
            assert_eq!(send(&stayer, "news.a", &at.to_string()).await, Ok(()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (drained, ()) = tokio::join!(leaving.drain(A_WHILE), sending);
    assert!(drained);
    until("each is handled by one of them", || {
        slow.count() + quick.count() == MESSAGES + 1
    })
    .await;
}

/// Who sends to a stream waits for its acknowledgement, and not for what a handler says that listens too.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_replies_to_who_waits_for_a_stream() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let provider = world.connect(world.config()).await;
    let target = gets_with(&["orders.>"], |it| it.delivery = DeliveryMode::Broadcast);
    let component = Arc::new(Component::that(|_| None));
    let listening = serve(&provider, &shop(&component), vec![target]).await;
    assert_eq!(send(&provider, "orders.a", "x").await, Ok(()));
    until("it is heard", || component.count() == 1).await;
    assert_eq!(component.asked.load(Relaxed), 0, "nobody waits for a reply");
    let question = Message::new("y");
    let asked = support::request(&provider, "orders.a", &question);
    let waiting = tokio::time::timeout(A_WHILE, async {
        tokio::select! {
            _ = asked => {}
            () = until("it is asked", || component.asked.load(Relaxed) == 1) => {}
        }
    });
    waiting.await.expect("a request is one");
    assert!(listening.drain(A_WHILE).await);
}

/// What was refused elsewhere has not run: it was refused here for having been tried.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_elsewhere_is_sent_here() {
    let world = World::start().await;
    let config = NatsConfig {
        at_most_once_topics: vec![TopicFilter::new("news.>").expect("legal")],
        ..world.config()
    };
    let provider = world.connect(config.clone()).await;
    let other = async_nats::connect(world.server.url()).await;
    let other = other.expect("connect");
    let mut heard = other.subscribe("news.>").await.expect("subscribe");
    support::known(&other).await;
    let key = CallContext::default().for_operation().key();
    let second = CallContext::default().with_attempt(key.expect("it has one"), 2);
    let to = ReplyTo {
        address: "news.reply".to_owned(),
        link: "default".to_owned(),
    };
    let message = Message::new("x");
    assert_eq!(provider.reply(&second, &to, &message).await, Ok(()));
    let sent = provider.send(&second, &topic("news.a"), &message).await;
    assert_eq!(sent, Ok(()));
    for expected in ["news.reply", "news.a"] {
        let came = tokio::time::timeout(A_WHILE, heard.next()).await;
        let came = came.expect("in time").expect("a message");
        assert_eq!(came.subject.as_str(), expected);
    }
    // Where callers try again what may have been sent, it is sent at most once.
    let deduplicating = NatsConfig {
        deduplicate_for_ms: Some(20_000),
        ..config
    };
    let provider = world.connect(deduplicating).await;
    let again = provider.send(&second, &topic("news.a"), &message).await;
    assert!(again.is_err(), "it may have been sent");
}
