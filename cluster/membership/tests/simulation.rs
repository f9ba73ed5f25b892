//! Whole nodes on a loopback bus, under paused time.

mod simulation {
    pub mod world;
}

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use simulation::world::{World, actor, heartbeat, name};
use tokio::time::{Instant, advance};
use wrt_membership::{Liveness, MembershipError};
use wrt_protocol::{
    Epoch, NodeMicros,
    heartbeat::{NodeState, ReplicaState},
};
use wrt_transport::{Lane, Transport};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn nodes_see_each_other() {
    let mut world = World::new();
    for (at, node) in ["a", "b", "c"].into_iter().enumerate() {
        world.join(node).await;
        let membership = world.membership(node);
        // Who was there before is known as soon as the node has joined.
        assert_eq!(membership.view().live_members().count(), at + 1, "{node}");
    }
    for node in ["a", "b", "c"] {
        let until = world.until(node, MILLI, |view| view.candidates(&actor()).len() == 3);
        let view = until.await;
        assert!(view.candidates(&actor())[0].member.is_self, "own first");
        let remote = view.remote_candidates(&actor()).iter();
        assert!(remote.clone().all(|candidate| !candidate.member.is_self));
        assert_eq!(remote.count(), 2);
        let member = view.member(&name("b")).expect("b joined");
        assert_eq!(member.labels[..], [("zone".to_owned(), "b".to_owned())]);
        assert_eq!(member.epoch, Epoch(1));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_is_suspect_then_dead_and_blames_itself() {
    let world = World::of(&["a", "b", "c"]).await;
    let lost = world.lost("a", "c");
    let cut_at = Instant::now();
    world.bus.cut_off(&name("c"));

    lost.cancelled().await;
    let after = cut_at.elapsed();
    assert!(after >= 500 * MILLI && after <= 900 * MILLI, "{after:?}");
    let view = world.membership("a").view();
    assert_eq!(view.member(&name("c")).unwrap().liveness, Liveness::Suspect);
    assert_eq!(view.candidates(&actor()).len(), 2);

    world
        .until_liveness("a", "c", 2 * SECOND, Liveness::Dead)
        .await;
    let after = cut_at.elapsed();
    assert!(after >= 1750 * MILLI && after <= 2100 * MILLI, "{after:?}");

    // The one that is cut off sends no call there, and evicts nobody however long it takes.
    advance_slowly(30 * SECOND).await;
    for other in ["a", "b"] {
        assert_eq!(world.liveness("c", other), Liveness::Suspect);
    }
    assert!(world.membership("c").is_isolated());
    assert!(!world.membership("a").is_isolated());

    world.bus.heal(&name("c"));
    // It says at once that it is back, and hears the others within an interval.
    world
        .until_liveness("a", "c", 20 * MILLI, Liveness::Alive)
        .await;
    assert!(!world.lost("a", "c").is_cancelled());
    for other in ["a", "b"] {
        world
            .until_liveness("c", other, 300 * MILLI, Liveness::Alive)
            .await;
    }
    world
        .until("c", 100 * MILLI, |view| !view.is_isolated())
        .await;
}

#[tokio::test(start_paused = true)]
async fn when_most_fall_silent_nobody_is_evicted_until_the_hold_ends() {
    let nodes = ["a", "b", "c", "d"];
    let world = World::of(&nodes).await;
    for other in &nodes[1..] {
        world.bus.partition(&name("a"), &name(other));
    }
    advance_slowly(5 * SECOND).await;
    assert!(world.membership("a").is_isolated());
    for other in &nodes[1..] {
        assert_eq!(world.liveness("a", other), Liveness::Suspect);
        // For each of the others it is one of three.
        assert_eq!(world.liveness(other, "a"), Liveness::Dead);
        assert!(!world.membership(other).is_isolated());
    }
    advance_slowly(6 * SECOND).await;
    for other in &nodes[1..] {
        assert_eq!(world.liveness("a", other), Liveness::Dead);
    }
    for other in nodes {
        world.bus.heal(&name(other));
    }
    for other in &nodes[1..] {
        world
            .until_liveness("a", other, SECOND, Liveness::Alive)
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hiccup_of_the_bus_moves_nothing() {
    hiccup(&["a", "b"]).await;
    hiccup(&["a", "b", "c"]).await;
    hiccup(&["a", "b", "c", "d", "e"]).await;
}

async fn hiccup(nodes: &[&str]) {
    let world = World::of(nodes).await;
    world.bus.lose(1.0, 1);
    advance_slowly(9 * SECOND).await;
    world.bus.lose(0.0, 1);
    let resumed = Instant::now();
    while resumed.elapsed() < SECOND {
        advance_slowly(10 * MILLI).await;
        for (node, other) in pairs(nodes) {
            assert_ne!(world.liveness(node, other), Liveness::Dead);
        }
    }
    for (node, other) in pairs(nodes) {
        assert_eq!(world.liveness(node, other), Liveness::Alive);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lossy_bus_kills_nobody() {
    for seed in 0..4 {
        let nodes = ["a", "b", "c"];
        let world = World::of(&nodes).await;
        world.bus.lose(0.2, seed);
        world.bus.set_delay(30 * MILLI);
        for _ in 0..600 {
            advance_slowly(100 * MILLI).await;
            for (node, other) in pairs(&nodes) {
                assert_ne!(world.liveness(node, other), Liveness::Dead, "seed {seed}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once() {
    let mut world = World::of(&["a"]).await;
    for epoch in [0, 1, 2] {
        match world.try_join("a", epoch).await.err() {
            Some(MembershipError::NameTaken { node, epoch }) => {
                assert_eq!((node, epoch), (name("a"), Epoch(1)));
            }
            other => panic!("expected that the name is taken, got {other:?}"),
        }
    }
    assert!(!world.membership("a").fenced().is_cancelled());
    world.membership("a").leave().await;
    assert!(world.try_join("a", 2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_namesake_is_heard_before_the_name_is_taken() {
    let world = World::new();
    let mut slow = heartbeat("b", 1, 0);
    slow.interval_millis = 4_000;
    let joining = world.joining("a", 2);
    let says = async {
        advance_slowly(100 * MILLI).await;
        world.say(&slow).await;
        // The namesake beats as slowly.
        advance_slowly(3 * SECOND).await;
        slow.node = name("a");
        world.say(&slow).await;
    };
    let (joined, ()) = tokio::join!(joining, says);
    assert!(matches!(joined, Err(MembershipError::NameTaken { .. })));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_join_at_once_the_newer_stays() {
    let mut world = World::of(&["b"]).await;
    // Neither hears the other's first heartbeat before it has sent its own.
    world.bus.set_delay(5 * MILLI);
    let (older, newer) = tokio::join!(world.joining("a", 7), world.joining("a", 8));
    let (older, newer) = (
        older.expect("nobody was heard"),
        newer.expect("nobody was heard"),
    );
    older.fenced().cancelled().await;
    let sent = older.counts().sent;
    advance_slowly(5 * SECOND).await;
    assert!(!newer.fenced().is_cancelled());
    assert_eq!(older.counts().sent, sent, "one that is fenced is silent");
    let view = world.membership("b").view();
    assert_eq!(view.member(&name("a")).unwrap().epoch, Epoch(8));
    assert_eq!(world.liveness("b", "a"), Liveness::Alive);
    // Its goodbye says nothing of the newer one.
    older.leave().await;
    advance_slowly(10 * MILLI).await;
    assert_eq!(world.liveness("b", "a"), Liveness::Alive);
    world.adopt("a", newer);
}

#[tokio::test(start_paused = true)]
async fn a_newer_incarnation_ends_the_older_ones_calls_at_once() {
    let world = World::of(&["a", "b"]).await;
    let lost = world.lost("b", "a");
    world.say(&heartbeat("a", 2, 0)).await;
    world.membership("a").fenced().cancelled().await;
    lost.cancelled().await;
    assert!(!world.lost("b", "a").is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn drain_and_goodbye_are_heard_at_once() {
    let world = World::of(&["a", "b"]).await;
    let lost = world.lost("a", "b");
    world.membership("b").set_state(NodeState::Draining);
    world
        .until("a", 20 * MILLI, |view| {
            view.remote_candidates(&actor()).is_empty()
        })
        .await;
    assert!(!lost.is_cancelled(), "calls in flight go on");
    assert_eq!(world.membership("b").view().candidates(&actor()).len(), 1);

    world.membership("b").leave().await;
    world
        .until("a", 20 * MILLI, |view| view.member(&name("b")).is_none())
        .await;
    assert!(lost.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_no_goodbye_and_leaves_no_task() {
    let mut world = World::of(&["a", "b"]).await;
    let transport = world.transport("b");
    world.crash("b");
    world
        .until_liveness("a", "b", 3 * SECOND, Liveness::Dead)
        .await;
    // The test and the world's own list of transports.
    assert_eq!(
        Arc::strong_count(&transport),
        2,
        "a task still holds the transport"
    );
}

#[tokio::test(start_paused = true)]
async fn load_is_seen_in_batches_and_readiness_at_once() {
    let world = World::of(&["a", "b"]).await;
    let mut changes = world.membership("a").changes();
    changes.mark_unchanged();
    advance_slowly(5 * SECOND).await;
    assert!(
        !changes.has_changed().unwrap(),
        "an idle lattice needs no new view"
    );

    world.report("b", |replica| replica.running = 5);
    world
        .until("a", 350 * MILLI, |view| {
            view.remote_candidates(&actor())[0].report.running == 5
        })
        .await;

    world.report("b", |replica| replica.state = ReplicaState::Starting);
    world.membership("b").announce_now();
    world
        .until("a", 20 * MILLI, |view| {
            view.remote_candidates(&actor()).is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn announcing_in_a_loop_does_not_flood_the_bus() {
    let world = World::of(&["a"]).await;
    let before = world.membership("a").counts().sent;
    for _ in 0..1000 {
        world.membership("a").announce_now();
        advance_slowly(MILLI).await;
    }
    let sent = world.membership("a").counts().sent - before;
    assert!((50..=110).contains(&sent), "{sent} in a second");
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_counted_and_changes_nothing() {
    let world = World::of(&["a", "b"]).await;
    let before = world.membership("a").counts();
    let generation = *world.membership("a").changes().borrow();
    let honest = heartbeat("c", 1, 0);
    let bytes = honest.encode().unwrap();
    let mut labelled = honest.clone();
    labelled.labels = vec![("k".into(), "v".into()); 33];
    let subject = world.subjects.heartbeat(&name("c"));
    let of_another = world.subjects.heartbeat(&name("d"));
    let nonsense = [
        (&subject, Bytes::new()),
        (&subject, Bytes::from_static(b"\x01\x04\xff\xff\xff\xff")),
        (&subject, bytes.slice(..bytes.len() - 1)),
        (&subject, labelled.encode().unwrap()),
        (&of_another, bytes),
    ];
    let stranger = world.bus.transport(name("stranger"));
    for (subject, payload) in nonsense.clone() {
        let published = stranger
            .publish(Lane::Control, subject.clone(), payload)
            .await;
        published.unwrap();
    }
    let mut stale = heartbeat("b", 0, u64::MAX);
    stale.sent_at = NodeMicros(u64::MAX);
    world.say(&stale).await;
    advance_slowly(10 * MILLI).await;
    let after = world.membership("a").counts();
    assert_eq!(after.malformed - before.malformed, nonsense.len() as u64);
    assert_eq!(after.stale - before.stale, 1);
    assert_eq!(*world.membership("a").changes().borrow(), generation);
    assert_eq!(world.liveness("a", "b"), Liveness::Alive);
}

#[tokio::test(start_paused = true)]
async fn clocks_of_others_are_known_to_within_the_delay() {
    let mut world = World::new();
    world.bus.set_delay(3 * MILLI);
    world.join("a").await;
    advance_slowly(17 * SECOND).await;
    world.join("b").await;
    advance_slowly(40 * SECOND).await;
    let now = Instant::now();
    for (node, other) in [("a", "b"), ("b", "a"), ("a", "a")] {
        let delay = if node == other { 0 } else { 3_000 };
        let truth = world.membership(other).clock().at(now);
        let view = world.membership(node).view();
        let estimate = view.member(&name(other)).unwrap().peer_now(now);
        // Timers are as fine as a millisecond.
        let behind = truth.0 - estimate.0;
        assert!(
            (delay..=delay + 1_000).contains(&behind),
            "{node} of {other}: {behind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_all_is_held_against_nobody() {
    let nodes = ["a", "b", "c"];
    let world = World::of(&nodes).await;
    let lost: Vec<_> = pairs(&nodes)
        .map(|(node, other)| world.lost(node, other))
        .collect();
    advance(30 * SECOND).await;
    advance_slowly(5 * SECOND).await;
    assert!(lost.iter().all(|lost| !lost.is_cancelled()));
}

#[tokio::test(start_paused = true)]
async fn one_whose_transport_is_closed_stays_calm() {
    let world = World::of(&["a", "b"]).await;
    world.transport("a").close().await;
    advance_slowly(30 * SECOND).await;
    assert!(world.membership("a").is_isolated());
    assert_eq!(world.liveness("a", "b"), Liveness::Suspect);
    world.membership("a").leave().await;
}

/// Lets time pass in steps that no node takes for a stop of its own.
async fn advance_slowly(duration: Duration) {
    tokio::time::sleep(duration).await;
}

fn pairs<'a>(nodes: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let others = |node: &'a str| nodes.iter().map(move |other| (node, *other));
    let all = nodes.iter().flat_map(move |node| others(node));
    all.filter(|(node, other)| node != other)
}
