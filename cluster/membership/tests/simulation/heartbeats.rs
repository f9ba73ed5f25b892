//! What a node says of itself, and how often.

use bytes::Bytes;
use futures::StreamExt;
use tokio::time::Instant;
use wrt_membership::Liveness;
use wrt_protocol::{
    NodeMicros,
    heartbeat::{Heartbeat, NodeState, ReplicaState},
};
use wrt_transport::{Lane, Transport};

use super::world::{MILLI, SECOND, World, actor, advance_slowly, heartbeat, name};

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

    // A state that comes too late does not take the goodbye back.
    world.membership("b").set_state(NodeState::Leaving);
    world.membership("b").set_state(NodeState::Serving);
    world
        .until("a", 20 * MILLI, |view| view.member(&name("b")).is_none())
        .await;
    world.membership("b").leave().await;
    assert!(lost.is_cancelled());
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
async fn load_alone_makes_twenty_views_a_second_at_most() {
    let world = World::of(&["a"]).await;
    world.say(&heartbeat("b", 1, 0)).await;
    let generation = || *world.membership("a").changes().borrow();
    world
        .until("a", 20 * MILLI, |view| view.member(&name("b")).is_some())
        .await;
    let before = generation();
    for sequence in 1..=200 {
        let mut beat = heartbeat("b", 1, sequence);
        beat.replicas[0].handled = sequence;
        world.say(&beat).await;
        advance_slowly(5 * MILLI).await;
    }
    let views = generation() - before;
    assert!((15..=21).contains(&views), "{views} views");
}

#[tokio::test(start_paused = true)]
async fn in_a_large_lattice_each_beats_slower_and_says_so() {
    let world = World::of(&["a"]).await;
    for other in 1..400 {
        let mut slow = heartbeat(&format!("n{other}"), 1, 0);
        slow.interval_ms = 10_000;
        world.say(&slow).await;
    }
    advance_slowly(SECOND).await;
    let observer = world.bus.transport(name("observer"));
    let subject = world.subjects.heartbeat(&name("a"));
    let mut heard = observer
        .subscribe(Lane::Control, subject, None)
        .await
        .unwrap();
    let began = Instant::now();
    for _ in 0..10 {
        let inbound = heard.next().await.expect("the bus is open");
        let beat = Heartbeat::decode(&inbound.payload).expect("it is honest");
        assert_eq!(beat.interval_ms, 1000);
    }
    let took = began.elapsed();
    assert!(took >= 9 * SECOND && took <= 11 * SECOND, "{took:?}");
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
