//! Heartbeats that say what has changed, and who misses one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::time::{Instant, timeout_at};
use wrt_membership::View;
use wrt_protocol::{
    heartbeat::{
        Beat, Changes, Heartbeat, PartOf, ReplicaChange, ReplicaState, Said, ShareRevision,
    },
    limits::{HEARTBEAT_BYTES_MAX, REPLICAS_PER_NODE_MAX},
};
use wrt_transport::{Lane, LoopbackTransport, Subscription, Transport};

use super::world::{MILLI, SECOND, World, actor, advance_slowly, heartbeat, name};

/// All heartbeats, for as long as the one who listens stays.
async fn listen(world: &World) -> (Arc<LoopbackTransport>, Subscription) {
    let observer = world.bus.transport(name("observer"));
    let all = observer.subscribe(Lane::Control, world.subjects.heartbeats(), None);
    let heard = all.await.expect("the observer is connected");
    (observer, heard)
}

/// What is said on the bus for so long: by whom, and in how many bytes.
async fn said(heard: &mut Subscription, duration: Duration) -> Vec<(Beat, usize)> {
    let end = Instant::now() + duration;
    let mut all = Vec::new();
    while let Ok(Some(inbound)) = timeout_at(end, heard.next()).await {
        let beat = Beat::decode(&inbound.payload).expect("it is honest");
        all.push((beat, inbound.payload.len()));
    }
    all
}

fn state_of(view: &View, node: &str) -> Option<ReplicaState> {
    let member = view.member(&name(node))?;
    member.replicas.first().map(|replica| replica.state)
}

/// Each said all of it, four times a second: 100 kB for one of these.
#[tokio::test(start_paused = true)]
async fn an_idle_lattice_sends_constants() {
    let mut world = World::new();
    world.join_large("a", REPLICAS_PER_NODE_MAX).await;
    world.join("b").await;
    let (_observer, mut heard) = listen(&world).await;
    let all = said(&mut heard, 10 * SECOND).await;
    assert!((78..=82).contains(&all.len()), "{} heartbeats", all.len());
    for (beat, bytes) in &all {
        assert!(matches!(&beat.said, Said::Changes(it) if it.changes.is_empty()));
        assert!(*bytes <= 40, "{bytes} bytes of {}", beat.pulse.node);
    }
    for node in ["a", "b"] {
        let counts = world.membership(node).counts();
        assert_eq!(counts.malformed, 0, "{node}");
        assert!(counts.wholes_asked <= 2, "{node}: {counts:?}");
    }
}

/// However much a node has, no message is larger than the bus must take, and whoever joins knows all of it.
#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_told_in_parts() {
    let mut world = World::new();
    let (_observer, mut heard) = listen(&world).await;
    world.join_large("a", REPLICAS_PER_NODE_MAX).await;
    world.join("b").await;
    let all = |view: &View| {
        let member = view.member(&name("a"));
        member.is_some_and(|it| it.replicas.len() == REPLICAS_PER_NODE_MAX)
    };
    world.until("b", SECOND, all).await;
    for (beat, bytes) in said(&mut heard, SECOND).await {
        assert!(bytes <= HEARTBEAT_BYTES_MAX, "{bytes} bytes: {beat:?}");
    }
    let told = world.membership("a").counts().wholes_told;
    assert!(told >= 5, "{told} parts");
}

#[tokio::test(start_paused = true)]
async fn who_misses_a_change_asks_for_all_of_it() {
    let world = World::of(&["a", "b", "c"]).await;
    let before = ["a", "c"].map(|node| world.membership(node).counts());
    world.bus.partition(&name("a"), &name("b"));
    world.report("b", |replica| replica.state = ReplicaState::Failing);
    world.membership("b").announce_now();
    let failing = |view: &View| state_of(view, "b") == Some(ReplicaState::Failing);
    world.until("c", 20 * MILLI, failing).await;
    let view = world.membership("a").view();
    assert_eq!(
        state_of(&view, "b"),
        Some(ReplicaState::Ready),
        "it heard nothing"
    );
    world.bus.heal(&name("a"));
    world.until("a", 300 * MILLI, failing).await;
    let after = ["a", "c"].map(|node| world.membership(node).counts());
    assert_eq!(after[0].wholes_asked - before[0].wholes_asked, 1);
    assert_eq!(after[1].wholes_asked - before[1].wholes_asked, 0);
    assert_eq!(
        after[0].silences, before[0].silences,
        "it was heard all the time"
    );
}

/// Silence is no order, and neither is what cannot be understood.
#[tokio::test(start_paused = true)]
async fn changes_to_another_share_change_nothing() {
    let world = World::of(&["a"]).await;
    let mut first = Beat::from(heartbeat("x", 1, 0));
    if let Said::Whole(share) = &mut first.said {
        share.part = Some(PartOf {
            revision: ShareRevision(5),
            first: 0,
            count: 1,
            members: 3,
        });
    }
    world.say_beat(&first).await;
    let ready = |view: &View| state_of(view, "x") == Some(ReplicaState::Ready);
    world.until("a", 20 * MILLI, ready).await;
    let before = world.membership("a").counts();
    let generation = *world.membership("a").changes().borrow();
    for sequence in 1..=40 {
        let mut next = first.clone();
        next.pulse.sequence = sequence;
        next.said = Said::Changes(Changes {
            since: ShareRevision(6 + sequence),
            revision: ShareRevision(7 + sequence),
            changes: vec![ReplicaChange::Gone { at: 0 }],
        });
        world.say_beat(&next).await;
        advance_slowly(50 * MILLI).await;
    }
    let view = world.membership("a").view();
    assert_eq!(
        view.candidates(&actor()).len(),
        2,
        "its replica is still there"
    );
    assert_eq!(*world.membership("a").changes().borrow(), generation);
    let counts = world.membership("a").counts();
    assert_eq!(counts.gaps - before.gaps, 40);
    // Two seconds, and nobody who would answer.
    let asked = counts.wholes_asked - before.wholes_asked;
    assert!((2..=9).contains(&asked), "{asked} questions");
}

#[tokio::test(start_paused = true)]
async fn who_reads_only_whole_heartbeats_is_told_all_as_long_as_it_is_remembered() {
    let world = World::of(&["a", "b"]).await;
    let (_observer, mut heard) = listen(&world).await;
    assert!(
        said(&mut heard, SECOND)
            .await
            .iter()
            .all(|(beat, _)| !is_whole(beat))
    );
    // It says hello, and hears all within the time that lies between two heartbeats.
    world.say(&heartbeat("old", 1, 0)).await;
    let hello = said(&mut heard, 20 * MILLI).await;
    let whole = hello.iter().filter(|(beat, _)| is_whole(beat));
    let whole: BTreeSet<_> = whole.map(|(beat, _)| beat.pulse.node.as_str()).collect();
    assert_eq!(whole, BTreeSet::from(["a", "b", "old"]), "{hello:?}");
    for sequence in 1..8 {
        world.say(&heartbeat("old", 1, sequence)).await;
        let all = said(&mut heard, 250 * MILLI).await;
        assert!(all.len() >= 2 && all.iter().all(|(beat, _)| is_whole(beat)));
        for (beat, _) in all {
            // As that build reads it.
            let read = Heartbeat::decode(&beat.encode().unwrap()).unwrap();
            assert_eq!(read.replicas.len(), 1, "{}", read.node);
        }
    }
    assert_eq!(world.membership("a").view().candidates(&actor()).len(), 3);
    // It is dead, and then forgotten.
    advance_slowly(65 * SECOND).await;
    let _before = said(&mut heard, MILLI).await;
    let after = said(&mut heard, SECOND).await;
    assert!(after.len() >= 6 && after.iter().all(|(beat, _)| !is_whole(beat)));
}

fn is_whole(beat: &Beat) -> bool {
    matches!(&beat.said, Said::Whole(_))
}

/// Whatever gets lost, everybody knows in the end what is.
#[tokio::test(start_paused = true)]
async fn what_was_lost_is_known_in_the_end() {
    let nodes = ["a", "b", "c"];
    let states = [
        ReplicaState::Starting,
        ReplicaState::Ready,
        ReplicaState::Failing,
        ReplicaState::Draining,
    ];
    for seed in 0..8 {
        let world = World::of(&nodes).await;
        world.bus.lose(0.3, seed);
        for step in 0..40_usize {
            let (node, state) = (nodes[step % 3], states[(step / 3) % 4]);
            let running = u32::try_from(step).expect("a small number");
            world.report(node, |replica| {
                replica.state = state;
                replica.running = running;
            });
            world.membership(node).announce_now();
            advance_slowly(30 * MILLI).await;
        }
        world.bus.lose(0.0, seed);
        for node in nodes {
            let is_known = |view: &View| {
                nodes.iter().zip([39, 37, 38]).all(|(other, running)| {
                    let member = view.member(&name(other));
                    let replica = member.and_then(|member| member.replicas.first());
                    replica.is_some_and(|it| it.running == running)
                })
            };
            world.until(node, 3 * SECOND, is_known).await;
        }
    }
}
