//! Publishing and subscribing.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, stream::select_all};
use wrt_transport::{Lane, Transport, TransportError};

use super::world::{World, eventually, in_time, next, refused, text};

pub async fn every_subscriber_gets_a_payload_untouched(world: &impl World) {
    let (a, b, c) = (
        world.node("a").await,
        world.node("b").await,
        world.node("c").await,
    );
    for lane in [Lane::Control, Lane::Calls, Lane::Bulk] {
        let subject = || format!("every.{lane:?}");
        let mut at_b = b.subscribe(lane, subject(), None).await.unwrap();
        let mut at_c = c.subscribe(lane, subject(), None).await.unwrap();
        let mut own = a.subscribe(lane, subject(), None).await.unwrap();
        let bytes: Vec<u8> = (0..=255).collect();
        for payload in [Bytes::new(), Bytes::from(bytes)] {
            a.publish(lane, subject(), payload.clone()).await.unwrap();
            for subscription in [&mut at_b, &mut at_c, &mut own] {
                let inbound = next(subscription).await;
                assert_eq!(inbound.payload, payload);
                assert_eq!(inbound.subject, subject());
                assert_eq!(inbound.reply, None);
            }
        }
    }
}

pub async fn nobody_need_subscribe(world: &impl World) {
    let a = world.node("a").await;
    a.publish(Lane::Calls, "nobody".to_owned(), text("x"))
        .await
        .unwrap();
}

pub async fn wildcards_match_tokens(world: &impl World) {
    let node = world.node("a").await;
    let subjects = ["w.a", "w.b", "w.a.b", "w.a.b.c", "w", "v.a", "w.c.b"];
    let cases: [(&str, &[&str]); 6] = [
        ("w.a", &["w.a"]),
        ("w.*", &["w.a", "w.b"]),
        ("w.>", &["w.a", "w.b", "w.a.b", "w.a.b.c", "w.c.b"]),
        ("w.*.b", &["w.a.b", "w.c.b"]),
        ("w.*.>", &["w.a.b", "w.a.b.c", "w.c.b"]),
        ("*.a", &["w.a", "v.a"]),
    ];
    let mut subscriptions = Vec::new();
    for (pattern, expected) in cases {
        let subscription = node
            .subscribe(Lane::Calls, pattern.to_owned(), None)
            .await
            .unwrap();
        // The end mark arrives after everything else, so nothing unexpected can be overlooked.
        let end = pattern.replace(['*', '>'], "end");
        subscriptions.push((pattern, expected, end, subscription));
    }
    for subject in subjects {
        node.publish(Lane::Calls, subject.to_owned(), text(subject))
            .await
            .unwrap();
    }
    let ends: HashSet<_> = subscriptions.iter().map(|(_, _, e, _)| e.clone()).collect();
    for end in &ends {
        node.publish(Lane::Calls, end.clone(), text("end"))
            .await
            .unwrap();
    }
    for (pattern, expected, _, subscription) in &mut subscriptions {
        let mut got = Vec::new();
        loop {
            let inbound = next(subscription).await;
            if inbound.payload == text("end") {
                break;
            }
            got.push(inbound.subject);
        }
        assert_eq!(got, *expected, "{pattern}");
    }
}

pub async fn a_group_takes_each_payload_exactly_once(world: &impl World) {
    const PAYLOADS: usize = 300;
    let publisher = world.node("publisher").await;
    let mut members = Vec::new();
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        let node = world.node(name).await;
        let group = Some("shop/cart".to_owned());
        let subscription = node
            .subscribe(Lane::Calls, "group.*".to_owned(), group)
            .await
            .unwrap();
        members.push(subscription.map(move |inbound| (name, inbound.payload)));
        nodes.push(node);
    }
    // A group of its own gets its own copy, and so does who is in none.
    let other = Some("other".to_owned());
    let mut other = nodes[0]
        .subscribe(Lane::Calls, "group.>".to_owned(), other)
        .await
        .unwrap();
    let mut alone = nodes[1]
        .subscribe(Lane::Calls, "group.x".to_owned(), None)
        .await
        .unwrap();
    let mut members = select_all(members);
    let (mut seen, mut busy) = (HashSet::new(), HashSet::new());
    // The second round would bring a copy left over from the first.
    for round in ["first", "second"] {
        for n in 0..PAYLOADS {
            publisher
                .publish(
                    Lane::Calls,
                    "group.x".to_owned(),
                    text(&format!("{round} {n}")),
                )
                .await
                .unwrap();
        }
        for n in 0..PAYLOADS {
            let (name, payload) = in_time(members.next()).await.unwrap();
            busy.insert(name);
            assert!(seen.insert(payload.clone()), "{payload:?} came twice");
            assert_eq!(
                next(&mut other).await.payload,
                text(&format!("{round} {n}"))
            );
            assert_eq!(
                next(&mut alone).await.payload,
                text(&format!("{round} {n}"))
            );
        }
    }
    assert_eq!(busy.len(), 3, "the members share: {busy:?}");
}

pub async fn order_is_kept(world: &impl World) {
    // Less than any lane buffers.
    const BURST: u32 = 1_000;
    let (a, b) = (world.node("a").await, world.node("b").await);
    for lane in [Lane::Control, Lane::Calls, Lane::Bulk] {
        let subject = || format!("order.{lane:?}");
        let mut subscription = b.subscribe(lane, subject(), None).await.unwrap();
        for burst in 0..5 {
            let numbers = burst * BURST..(burst + 1) * BURST;
            for n in numbers.clone() {
                a.publish(lane, subject(), Bytes::copy_from_slice(&n.to_le_bytes()))
                    .await
                    .unwrap();
            }
            for n in numbers {
                assert_eq!(&*next(&mut subscription).await.payload, n.to_le_bytes());
            }
        }
    }
    assert_eq!(b.dropped_payloads(), 0);
}

pub async fn a_subscription_is_known_on_return(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    for n in 0..200 {
        let subject = format!("known.{n}");
        let lane = [Lane::Control, Lane::Calls, Lane::Bulk][n % 3];
        let mut subscription = b.subscribe(lane, subject.clone(), None).await.unwrap();
        // Another connection, and at once.
        a.publish(Lane::Calls, subject, text("hello"))
            .await
            .unwrap();
        next(&mut subscription).await;
    }
}

pub async fn dropping_a_subscription_unsubscribes(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let subscribe = || b.subscribe(Lane::Calls, "drop.*".to_owned(), None);
    let (one, two) = (subscribe().await.unwrap(), subscribe().await.unwrap());
    drop(one);
    drop(two);
    eventually("a request finds no responder", || async {
        let answer = tokio::time::timeout(
            std::time::Duration::from_millis(100),
            a.request("drop.x".to_owned(), text("")),
        )
        .await;
        matches!(answer, Ok(Err(TransportError::NoResponders { .. })))
    })
    .await;
}

pub async fn a_payload_over_the_limit_is_refused(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let limit = a.payload_bytes_max();
    assert!(limit >= 2 * wrt_protocol::limits::INLINE_BYTES_MAX);
    let mut subscription = b
        .subscribe(Lane::Calls, "large".to_owned(), None)
        .await
        .unwrap();
    let payload = |bytes| Bytes::from(vec![7; bytes]);
    let too_large = [
        refused(
            a.publish(Lane::Calls, "large".to_owned(), payload(limit + 1))
                .await,
        ),
        refused(a.request("large".to_owned(), payload(limit + 1)).await),
    ];
    for error in too_large {
        let TransportError::TooLarge { bytes, bytes_max } = error else {
            panic!("{error:?}");
        };
        assert_eq!((bytes, bytes_max), (limit + 1, limit));
    }
    // The connection is none the worse for it, and the limit itself passes.
    a.publish(Lane::Calls, "large".to_owned(), payload(limit))
        .await
        .unwrap();
    assert_eq!(next(&mut subscription).await.payload.len(), limit);
}

pub async fn a_bad_subject_is_refused(world: &impl World) {
    let a = world.node("a").await;
    for subject in ["", "a b", "a..b", ".a", "a."] {
        let error = refused(
            a.subscribe(Lane::Calls, subject.to_owned(), None)
                .await
                .map(drop),
        );
        assert!(
            matches!(error, TransportError::Refused { .. }),
            "{subject:?}: {error:?}"
        );
    }
}

pub async fn a_full_buffer_drops_and_counts(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let buffered_max = Lane::Bulk.payloads_buffered_max();
    let mut stalled = b
        .subscribe(Lane::Bulk, "full".to_owned(), None)
        .await
        .unwrap();
    let mut end = b
        .subscribe(Lane::Bulk, "full-end".to_owned(), None)
        .await
        .unwrap();
    let sent = buffered_max + 500;
    for n in 0..sent {
        a.publish(Lane::Bulk, "full".to_owned(), text(&n.to_string()))
            .await
            .unwrap();
    }
    a.publish(Lane::Bulk, "full-end".to_owned(), Bytes::new())
        .await
        .unwrap();
    next(&mut end).await;
    eventually("the drops are counted", || async {
        b.dropped_payloads() > 0
    })
    .await;
    assert!(b.dropped_payloads() <= 500);
    // What was buffered is there and in order.
    for n in 0..buffered_max {
        assert_eq!(next(&mut stalled).await.payload, text(&n.to_string()));
    }
}
