//! What a subscription holds to when the server, a node or a message is not as it should be.

#[path = "messaging/support.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use tokio::time::Instant;
use wrt_contract::CallContext;
use wrt_messaging::{DeliveryMode, Limit, Message, Messaging as _, MessagingError, TopicFilter};
use wrt_nats::{ConnectError, Nats, NatsConfig};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};
use wrt_runtime::{Backend as _, Server as _};

use support::{
    A_WHILE, Component, World, gets, gets_with, request, send, serve, shop, stream, topic,
    try_serve, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_would_keep_is_refused() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let at_most_once_topics = vec![TopicFilter::new("news.>").expect("legal")];
    let config = NatsConfig {
        at_most_once_topics,
        ..world.config()
    };
    let provider = world.connect(config).await;
    let state = shop(&Component::handles());
    for topics in [&["news.>"][..], &["orders.a", "news.a"]] {
        let refused = try_serve(&provider, &state, vec![gets(topics)]).await.err();
        let refused = refused.expect("no stream holds it");
        assert!(Nats::is_for_good(&refused) && matches!(refused, ConnectError::NoStream { .. }));
        assert!(
            refused.to_string().contains("news.") && refused.to_string().contains("at-most-once")
        );
    }
    let twice = vec![gets(&["orders.a"]), gets(&["orders.b"])];
    let refused = try_serve(&provider, &state, twice).await.err();
    assert!(refused.is_some_and(|error| error.to_string().contains("handler is named twice")));
    serve(&provider, &state, vec![gets(&["orders.*"])]).await;

    let sent = send(&provider, "other.a", "x").await;
    assert_eq!(sent, Err(MessagingError::NoStream("other.a".into())));
    assert_eq!(
        send(&provider, "news.a", "x").await,
        Ok(()),
        "it may be lost"
    );
    assert_eq!(send(&provider, "orders.a", "x").await, Ok(()));
    assert_eq!(world.stored("ORDERS").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_of_the_broker_and_of_lattices_are_none_for_guests() {
    let world = World::start().await;
    let provider = world.connect(world.config()).await;
    let lattice = ["wrt", "v1", "main", "beat", "a"].join(".");
    for subject in [
        "$JS.API.STREAM.DELETE.ORDERS",
        "$KV.bucket.key",
        "_INBOX.a",
        &lattice,
    ] {
        let message = Message::new("x");
        for refused in [
            send(&provider, subject, "x").await.map(drop),
            request(&provider, subject, &message).await.map(drop),
        ] {
            let is_denied = matches!(refused, Err(MessagingError::PermissionDenied(_)));
            assert!(is_denied, "{subject}: {refused:?}");
        }
        let selection = gets(&[subject]).selection;
        assert!(Nats::check_selections(&[selection]).is_err(), "{subject}");
    }
    for (delivery, is_refused) in [
        (DeliveryMode::AtLeastOnce, false),
        (DeliveryMode::AtMostOnce, true),
        (DeliveryMode::Broadcast, true),
    ] {
        let selection = gets_with(&[">"], |it| it.delivery = delivery).selection;
        assert_eq!(Nats::check_selections(&[selection]).is_err(), is_refused);
    }
    // A sender chooses where a reply goes: not to have the handler say what it may not say itself.
    let to = wrt_messaging::ReplyTo {
        address: "$JS.API.STREAM.PURGE.ORDERS".to_owned(),
        link: "default".to_owned(),
    };
    let replied = provider
        .reply(&CallContext::default(), &to, &Message::default())
        .await;
    assert!(
        matches!(replied, Err(MessagingError::PermissionDenied(_))),
        "{replied:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_and_a_large_message_are_told_and_lose_nothing() {
    let world = World::start().await;
    world
        .make(Config {
            max_messages: 2,
            max_message_size: 1000,
            discard: DiscardPolicy::New,
            ..stream("ORDERS", "orders.>")
        })
        .await;
    let provider = world.connect(world.config()).await;
    for data in ["one", "two"] {
        assert_eq!(send(&provider, "orders.a", data).await, Ok(()));
    }
    let full = send(&provider, "orders.a", "three").await;
    assert!(matches!(full, Err(MessagingError::Full(_))), "{full:?}");
    let asked = request(&provider, "orders.a", &Message::new("three")).await;
    assert!(
        matches!(asked, Err(MessagingError::Full(_))),
        "no reply will come: {asked:?}"
    );
    let large = send(&provider, "orders.a", &"x".repeat(2000)).await;
    let is_told =
        matches!(&large, Err(error) if error.to_string().contains("larger than the stream"));
    assert!(is_told, "{large:?}");
    let huge = send(&provider, "orders.a", &"x".repeat(2_000_000)).await;
    let is_told = matches!(
        huge,
        Err(MessagingError::OverLimit {
            limit: Limit::DataBytes,
            ..
        })
    );
    assert!(is_told, "more than a message of NATS holds: {huge:?}");
    assert_eq!(world.stored("ORDERS").await, 2);
}

/// The bug of others: each attempt of a caller is a message.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_elsewhere_is_stored_once() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let first = CallContext::default().for_operation();
    let key = first.key().expect("it has one");
    for context in [first, CallContext::default().with_attempt(key, 2)] {
        let provider = world.connect(world.config()).await;
        let sent = provider
            .send(&context, &topic("orders.a"), &Message::new("x"))
            .await;
        assert_eq!(sent, Ok(()));
    }
    assert_eq!(world.stored("ORDERS").await, 1);
    let provider = world.connect(world.config()).await;
    assert_eq!(send(&provider, "orders.a", "x").await, Ok(()));
    assert_eq!(
        world.stored("ORDERS").await,
        2,
        "another intent is another message"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_messages_and_hold_no_more_than_they_may() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let component = Arc::new(Component {
            takes: Duration::from_millis(5),
            ..Component::that(|_| None)
        });
        let provider = world.connect(world.config()).await;
        let target = gets_with(&["orders.>"], |it| it.in_hand_max = 4);
        let serving = serve(&provider, &shop(&component), vec![target]).await;
        nodes.push((component, provider, serving));
    }
    let sends = (0..300).map(|at| {
        let provider = Arc::clone(&nodes[at % 3].1);
        async move { send(&provider, "orders.a", &at.to_string()).await }
    });
    for sent in futures::future::join_all(sends).await {
        assert_eq!(sent, Ok(()));
    }
    let handled = || {
        nodes
            .iter()
            .map(|(component, ..)| component.count())
            .sum::<usize>()
    };
    until("all are handled", || handled() >= 300).await;
    assert_eq!(handled(), 300, "shared, and not each");
    for (component, provider, serving) in &nodes {
        assert!(component.count() > 0, "each has its share");
        let most = component.at_once_most.load(Relaxed);
        assert!(most <= 4, "{most} at once");
        assert!(serving.drain(A_WHILE).await);
        assert_eq!(provider.delivery_counts().in_hand, 0);
    }
}

/// A node that is gone, and one that stands still: a provider that is dropped in the middle of its calls
/// tells the server nothing, as neither does.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_node_had_in_hand_is_in_hand_elsewhere_within_5_s() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let stuck = Arc::new(Component {
        takes: Duration::from_secs(600),
        ..Component::that(|_| None)
    });
    let lost = world.connect(world.config()).await;
    let serving = serve(&lost, &shop(&stuck), vec![gets(&["orders.>"])]).await;
    for at in 0..8 {
        assert_eq!(send(&lost, "orders.a", &at.to_string()).await, Ok(()));
    }
    until("all are in hand", || lost.delivery_counts().in_hand == 8).await;
    let heir = Component::handles();
    let provider = world.connect(world.config()).await;
    let _serving = serve(&provider, &shop(&heir), vec![gets(&["orders.>"])]).await;
    drop(serving);
    let gone = Instant::now();
    until("they are handled elsewhere", || heir.count() == 8).await;
    assert!(
        gone.elapsed() < Duration::from_secs(5),
        "{:?}",
        gone.elapsed()
    );
    let counts = provider.delivery_counts();
    assert_eq!(
        (counts.redelivered, counts.failed),
        (8, 0),
        "no attempt: {counts:?}"
    );
}

/// As long as a node says that it has a message in hand, nobody else gets it.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_longer_than_a_lost_node_is_waited_for() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let slow = Arc::new(Component {
        takes: Duration::from_secs(9),
        ..Component::that(|_| None)
    });
    let provider = world.connect(world.config()).await;
    let _serving = serve(&provider, &shop(&slow), vec![gets(&["orders.>"])]).await;
    assert_eq!(send(&provider, "orders.a", "slow").await, Ok(()));
    until("it is handled", || slow.count() == 1).await;
    let counts = provider.delivery_counts();
    assert_eq!((counts.redelivered, counts.handled), (0, 1), "{counts:?}");
}

/// An outage of the component makes no dead letters, however often its messages come.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_makes_no_dead_letters() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let refusals = Arc::new(AtomicU32::new(0));
    let away = Arc::clone(&refusals);
    let component = Arc::new(Component::that(move |_| {
        let kinds = [
            FaultKind::Overloaded { retry_after_ms: 1 },
            FaultKind::Unavailable,
            FaultKind::Draining,
            FaultKind::NodeLost,
        ];
        let count = away.fetch_add(1, Relaxed) as usize;
        let kind = kinds[count % kinds.len()];
        (count < 20).then(|| Fault::not_executed(kind, Hop::Gate, "away").into())
    }));
    let provider = world.connect(world.config()).await;
    let _serving = serve(&provider, &shop(&component), vec![gets(&["orders.>"])]).await;
    for data in ["a", "b", "c"] {
        assert_eq!(send(&provider, "orders.a", data).await, Ok(()));
    }
    until("they are handled at last", || component.count() >= 3).await;
    let counts = provider.delivery_counts();
    assert_eq!(
        (counts.put_back, counts.failed, counts.dead_lettered),
        (20, 0, 0),
        "{counts:?}"
    );
    assert_eq!(
        component.times().values().copied().collect::<Vec<_>>(),
        [1, 1, 1]
    );
}

/// Attempts are counted where the next node finds them.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_across_nodes() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let calls = Arc::new(AtomicU32::new(0));
    let target = || gets_with(&["orders.>"], |it| it.attempts_max = 3);
    for (node, expected) in [(1, 1), (2, 2), (3, 3)] {
        let count = Arc::clone(&calls);
        let component = Arc::new(Component::that(move |_| {
            count.fetch_add(1, Relaxed);
            Some(MessagingError::other("never"))
        }));
        let provider = world.connect(world.config()).await;
        if node == 1 {
            assert_eq!(send(&provider, "orders.a", "poison").await, Ok(()));
        }
        // The next attempt is another node's: this one ends with its first.
        let target = gets_with(&["orders.>"], |it| {
            *it = target().selection;
            it.pause_ms_min = 1000;
            it.pause_ms_max = 1000;
        });
        let serving = serve(&provider, &shop(&component), vec![target]).await;
        until("an attempt", || calls.load(Relaxed) >= expected).await;
        until("it is settled", || {
            let counts = provider.delivery_counts();
            counts.failed == 1 && counts.in_hand == 0
        })
        .await;
        assert!(serving.drain(A_WHILE).await);
        assert_eq!(calls.load(Relaxed), expected);
    }
    let letters = world.letters("dead-letters-", 1).await;
    let headers = letters[0].headers.as_ref().expect("it says why");
    assert_eq!(
        headers.get("Wrt-Dead-Attempts").map(|it| it.as_str()),
        Some("3")
    );
}

/// It stays in its stream, and is stored as soon as there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_cannot_be_stored_is_not_lost() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let small = |max_messages| Config {
        max_messages,
        discard: DiscardPolicy::New,
        ..stream("dead-letters-", "dead-letters-.>")
    };
    world.make(small(1)).await;
    let jetstream = world.jetstream().await;
    let filler = jetstream.publish("dead-letters-.filler", "x".into()).await;
    filler.expect("publish").await.expect("stored");
    let component = Arc::new(Component::that(|_| Some(MessagingError::other("never"))));
    let provider = world.connect(world.config()).await;
    let _serving = serve(&provider, &shop(&component), vec![gets(&["orders.>"])]).await;
    assert_eq!(send(&provider, "orders.a", "poison").await, Ok(()));
    until("it is given up more than once", || {
        provider.delivery_counts().failed > 3
    })
    .await;
    assert_eq!(provider.delivery_counts().dead_lettered, 0);
    jetstream
        .update_stream(small(2))
        .await
        .expect("there is room");
    until("it is stored", || {
        provider.delivery_counts().dead_lettered == 1
    })
    .await;
    let letters = world.letters("dead-letters-", 2).await;
    assert_eq!(letters[1].payload, "poison");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_reaches_each_replica_and_a_queue_one() {
    let world = World::start().await;
    for (delivery, expected) in [(DeliveryMode::Broadcast, 3), (DeliveryMode::AtMostOnce, 1)] {
        let config = NatsConfig {
            at_most_once_topics: vec![TopicFilter::new("news.>").expect("legal")],
            ..world.config()
        };
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let component = Component::handles();
            let provider = world.connect(config.clone()).await;
            let target = gets_with(&["news.>"], |it| it.delivery = delivery);
            let serving = serve(&provider, &shop(&component), vec![target]).await;
            nodes.push((component, provider, serving));
        }
        for at in 0..20 {
            assert_eq!(send(&nodes[0].1, "news.a", &at.to_string()).await, Ok(()));
        }
        let handled = || {
            nodes
                .iter()
                .map(|(component, ..)| component.count())
                .sum::<usize>()
        };
        let all = 20 * expected;
        until("all are handled", || handled() >= all).await;
        assert_eq!(handled(), all, "{delivery:?}");
    }
}

/// Too many at once, or one that fails: it is gone, and counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_counted() {
    let world = World::start().await;
    let config = NatsConfig {
        at_most_once_topics: vec![TopicFilter::new("news.>").expect("legal")],
        ..world.config()
    };
    let provider = world.connect(config).await;
    let component = Arc::new(Component {
        takes: Duration::from_millis(300),
        ..Component::that(|data| (data == "0").then(|| MessagingError::other("never")))
    });
    let target = gets_with(&["news.>"], |it| {
        it.delivery = DeliveryMode::AtMostOnce;
        it.in_hand_max = 2;
    });
    let _serving = serve(&provider, &shop(&component), vec![target]).await;
    for at in 0..50 {
        assert_eq!(send(&provider, "news.a", &at.to_string()).await, Ok(()));
    }
    until("each is handled or gone", || {
        let counts = provider.delivery_counts();
        counts.handled + counts.dropped == 50
    })
    .await;
    let counts = provider.delivery_counts();
    assert!(counts.dropped > 1 && counts.failed == 1, "{counts:?}");
}

/// The server is away for a while, and its streams are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_restarted_loses_no_message() {
    let world = World::start().await;
    world.make(stream("ORDERS", "orders.>")).await;
    let component = Component::handles();
    let provider = world.connect(world.config()).await;
    let _serving = serve(&provider, &shop(&component), vec![gets(&["orders.>"])]).await;
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        for at in 0..20 {
            let data = format!("{round}.{at}");
            if send(&provider, "orders.a", &data).await.is_ok() {
                acknowledged.push(data);
            }
        }
        if round == 0 {
            world.server.kill().expect("kill");
            let away = send(&provider, "orders.a", "away").await;
            assert!(away.is_err(), "nobody has it");
            if let Err(MessagingError::Fault(fault)) = &away {
                assert_ne!(fault.execution(), Execution::Executed, "{fault}");
            }
            world.server.restart().expect("restart");
            let back = Instant::now();
            while send(&provider, "orders.a", "back").await.is_err() {
                assert!(back.elapsed() < A_WHILE, "it is not used again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    assert_eq!(acknowledged.len(), 40);
    until("each that was acknowledged is handled", || {
        let times = component.times();
        acknowledged.iter().all(|data| times.contains_key(data))
    })
    .await;
}
