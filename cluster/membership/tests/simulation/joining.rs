//! Who gets in, under which name and in which incarnation.

use wrt_membership::{Liveness, MembershipError};
use wrt_protocol::{Epoch, heartbeat::NodeState};

use super::world::{MILLI, SECOND, World, actor, advance_slowly, heartbeat, name};

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

/// The start of a program that runs an app by itself took half a second for it.
#[tokio::test(start_paused = true)]
async fn a_node_alone_waits_for_nobody() {
    let began = tokio::time::Instant::now();
    let membership = World::alone("a").await.expect("nobody else is there");
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    assert_eq!(membership.view().live_members().count(), 1);
    assert_eq!(membership.view().candidates(&actor()).len(), 1);
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
    slow.interval_ms = 4_000;
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
async fn a_namesake_that_leaves_gives_the_name_up() {
    let world = World::new();
    let mut goodbye = heartbeat("a", 1, 9);
    goodbye.state = NodeState::Leaving;
    let says = async {
        advance_slowly(100 * MILLI).await;
        world.say(&goodbye).await;
    };
    let (joined, ()) = tokio::join!(world.joining("a", 2), says);
    assert!(joined.is_ok());
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

/// They took each other's heartbeats for their own, and both served for ever.
#[tokio::test(start_paused = true)]
async fn of_two_that_have_one_epoch_one_stops() {
    let world = World::of(&["b"]).await;
    world.bus.set_delay(5 * MILLI);
    let (one, other) = tokio::join!(world.joining("a", 7), world.joining("a", 7));
    let pair = [
        one.expect("nobody was heard"),
        other.expect("nobody was heard"),
    ];
    // No two clocks go as alike as these; so a replica of one is ready, and it says so.
    pair[0].announce_now();
    advance_slowly(2 * SECOND).await;
    let fenced = pair.iter().filter(|node| node.fenced().is_cancelled());
    assert_eq!(fenced.count(), 1, "one notices, and one stays");
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
