//! Nodes and buses that fall silent.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, advance};
use wrt_membership::Liveness;
use wrt_transport::Transport;

use super::world::{MILLI, SECOND, World, actor, advance_slowly, name, pairs};

/// Longer than anything that was amiss is remembered.
const CALM: Duration = Duration::from_secs(3);

/// The bus holds it to be there, as it does one that stands still.
#[tokio::test(start_paused = true)]
async fn one_that_no_longer_answers_is_suspect_then_dead() {
    let world = World::of(&["a", "b", "c"]).await;
    advance_slowly(CALM).await;
    let lost = world.lost("a", "c");
    let parted_at = Instant::now();
    world.bus.partition(&name("c"), &name("a"));
    world.bus.partition(&name("c"), &name("b"));

    lost.cancelled().await;
    let after = parted_at.elapsed();
    assert!(after >= 500 * MILLI && after <= 900 * MILLI, "{after:?}");
    let view = world.membership("a").view();
    assert_eq!(view.member(&name("c")).unwrap().liveness, Liveness::Suspect);
    assert_eq!(view.candidates(&actor()).len(), 2);

    world
        .until_liveness("a", "c", 2 * SECOND, Liveness::Dead)
        .await;
    let after = parted_at.elapsed();
    assert!(after >= 1750 * MILLI && after <= 2100 * MILLI, "{after:?}");
    let counts = world.membership("a").counts();
    assert!(counts.asked > 0 && counts.absent == 0, "{counts:?}");
}

/// Who is gone from the bus is not waited for: others have its share within the second.
#[tokio::test(start_paused = true)]
async fn one_that_crashes_is_dead_as_soon_as_the_bus_has_said_so_twice() {
    let mut world = World::of(&["a", "b", "c"]).await;
    advance_slowly(CALM).await;
    let crashed_at = Instant::now();
    world.crash("c");
    for other in ["a", "b"] {
        world
            .until_liveness(other, "c", SECOND, Liveness::Dead)
            .await;
    }
    let after = crashed_at.elapsed();
    assert!(after >= 300 * MILLI && after <= 650 * MILLI, "{after:?}");
    for other in ["a", "b"] {
        let counts = world.membership(other).counts();
        assert_eq!((counts.absent, counts.silences), (1, 0));
        assert_eq!(counts.asked, 2, "each is asked no more than it takes");
    }
}

/// Its process may be stopped for any time short of what makes dead: its connections stand.
#[tokio::test(start_paused = true)]
async fn one_that_answers_late_is_not_absent() {
    let world = World::of(&["a", "b", "c"]).await;
    advance_slowly(CALM).await;
    for millis in [400, 700, 1000, 1500, 1700] {
        world.bus.partition(&name("c"), &name("a"));
        world.bus.partition(&name("c"), &name("b"));
        advance_slowly(millis * MILLI).await;
        for other in ["a", "b"] {
            assert_ne!(world.liveness(other, "c"), Liveness::Dead, "{millis}");
        }
        world.bus.heal(&name("c"));
        advance_slowly(CALM).await;
        assert_eq!(world.liveness("a", "c"), Liveness::Alive);
        assert_eq!(world.membership("a").counts().absent, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_is_dead_and_blames_itself() {
    let world = World::of(&["a", "b", "c"]).await;
    advance_slowly(CALM).await;
    world.bus.cut_off(&name("c"));
    world.until_liveness("a", "c", SECOND, Liveness::Dead).await;

    // The one that is cut off sends no call there, and evicts nobody however long it takes.
    advance_slowly(30 * SECOND).await;
    for other in ["a", "b"] {
        assert_eq!(world.liveness("c", other), Liveness::Suspect);
    }
    assert!(world.membership("c").is_isolated());
    assert!(!world.membership("a").is_isolated());

    // Just after a heartbeat that failed, so that the next one is an interval away.
    let unsent = world.membership("c").counts().unsent;
    while world.membership("c").counts().unsent == unsent {
        advance_slowly(MILLI).await;
    }
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
    let silences = ["a", "b", "c"].map(|node| world.membership(node).counts().silences);
    assert_eq!(silences, [0, 0, 2]);
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
    for (node, other) in pairs(nodes) {
        assert_eq!(world.liveness(node, other), Liveness::Suspect);
        assert!(world.membership(node).is_isolated());
    }
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

/// A server of the bus is lost, and its clients with it: those who are late to be back are not there, and live.
#[tokio::test(start_paused = true)]
async fn a_bus_that_takes_its_clients_with_it_evicts_nobody() {
    let nodes = ["a", "b", "c", "d", "e"];
    let world = World::of(&nodes).await;
    advance_slowly(CALM).await;
    for node in nodes {
        world.bus.cut_off(&name(node));
    }
    advance_slowly(SECOND).await;
    let (early, late) = nodes.split_at(3);
    for node in early {
        world.bus.heal(&name(node));
    }
    advance_slowly(1500 * MILLI).await;
    for (node, other) in pairs(&nodes).filter(|(node, _)| early.contains(node)) {
        assert_ne!(
            world.liveness(node, other),
            Liveness::Dead,
            "{node}: {other}"
        );
    }
    for node in late {
        world.bus.heal(&name(node));
    }
    advance_slowly(SECOND).await;
    for (node, other) in pairs(&nodes) {
        assert_eq!(world.liveness(node, other), Liveness::Alive);
        assert_eq!(world.membership(node).counts().absent, 0);
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
