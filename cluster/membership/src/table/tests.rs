//! The table under synthetic time: 250 ms beats, 50 ms ticks.

mod absence;
mod changes;
mod property;
mod scene;

use wrt_protocol::{Epoch, heartbeat::ReplicaState};

use super::*;
use crate::{
    Liveness::{Alive, Dead, Suspect},
    MASS_DEATH_HOLD,
};
use scene::{BEAT, Scene, TICK, actor, heartbeat};

#[test]
fn silence_makes_suspect_then_dead() {
    for (silent_millis, expected) in [
        (700, Alive),
        (750, Alive),
        (900, Suspect),
        (1950, Suspect),
        (2000, Dead),
        (30_000, Dead),
    ] {
        let mut scene = Scene::of(&["a", "b"]);
        let before = scene.member("a");
        scene.run(Duration::from_millis(silent_millis), &["b"]);
        scene.check(&[("a", expected), ("b", Alive), ("own", Alive)]);
        assert_eq!(before.lost.is_cancelled(), expected != Alive);
        assert_eq!(
            scene.candidates().contains(&"a".to_owned()),
            expected == Alive
        );
    }
}

/// A body flows, and its sender's heartbeats are held up.
#[test]
fn signs_of_life_put_suspicion_off_for_a_while_and_bring_nobody_back() {
    let mut scene = Scene::of(&["a", "b"]);
    let lost = scene.member("a").lost.clone();
    for (millis, expected) in [(700, Alive), (1950, Alive), (2000, Dead), (3000, Dead)] {
        while scene.silence("a") < Duration::from_millis(millis) {
            scene.shows_life("a");
            scene.run(TICK, &["b"]);
        }
        scene.check(&[("a", expected)]);
        assert_eq!(lost.is_cancelled(), expected != Alive);
    }
    // When the body has ended, silence is what it always is.
    let mut scene = Scene::of(&["a", "b"]);
    scene.run(Duration::from_millis(500), &["b"]);
    scene.shows_life("a");
    scene.run(Duration::from_millis(700), &["b"]);
    scene.check(&[("a", Alive)]);
    scene.run(Duration::from_millis(200), &["b"]);
    scene.check(&[("a", Suspect)]);
    scene.shows_life("a");
    scene.run(TICK, &["b"]);
    scene.check(&[("a", Suspect)]);
}

#[test]
fn one_who_is_heard_again_is_alive_with_a_fresh_token() {
    for silent in [Duration::from_secs(1), Duration::from_secs(5)] {
        let mut scene = Scene::of(&["a", "b"]);
        scene.run(silent, &["b"]);
        let lost = scene.member("a").lost.clone();
        assert!(lost.is_cancelled());
        scene.run(BEAT, &["a", "b"]);
        scene.check(&[("a", Alive)]);
        assert!(lost.is_cancelled());
        assert!(!scene.member("a").lost.is_cancelled());
        assert_eq!(scene.candidates(), ["own", "a", "b"]);
    }
}

/// A stalled connection moves again: what lay in it arrives at once, and then nothing.
#[test]
fn what_was_held_up_does_not_bring_a_silent_one_back() {
    let mut scene = Scene::of(&["a", "b"]);
    let stalled = scene.now;
    scene.run(Duration::from_secs(4), &["b"]);
    let lost = scene.member("a").lost.clone();
    for beat in 1..13 {
        assert_eq!(scene.hear("a", stalled + BEAT * beat), Observed::Late);
        scene.check(&[("a", Dead)]);
    }
    assert!(scene.member("a").lost.is_cancelled());
    // It is there again, over another connection.
    scene.run(BEAT, &["a", "b"]);
    scene.check(&[("a", Alive)]);
    assert!(lost.is_cancelled());
    assert!(!scene.member("a").lost.is_cancelled());
}

/// A machine was suspended, and its clock with it: each of its heartbeats looks late, and as late as
/// the one before.
#[test]
fn one_whose_clock_stood_still_is_back_with_its_second_heartbeat() {
    for slept in [1, 3, 30].map(Duration::from_secs) {
        let mut scene = Scene::of(&["a", "b"]);
        scene.run(slept, &["b"]);
        assert_eq!(scene.hear("a", scene.now - slept), Observed::Late);
        scene.run(BEAT, &["b"]);
        assert_eq!(scene.hear("a", scene.now - slept), Observed::Applied);
        scene.check(&[("a", Alive)]);
    }
}

/// A slow bus suspects nobody who is heard all the time, and a last word counts whenever it comes.
#[test]
fn lateness_alone_takes_nobody_away_and_a_last_word_counts() {
    let mut scene = Scene::of(&["a", "b"]);
    for _ in 0..8 {
        scene.run(BEAT, &["b"]);
        let sent_at = scene.now - Duration::from_millis(900);
        assert_eq!(scene.hear("a", sent_at), Observed::Applied);
    }
    scene.check(&[("a", Alive)]);
    scene.run(Duration::from_secs(1), &["b"]);
    scene.check(&[("a", Suspect)]);
    let last = Heartbeat {
        state: NodeState::Leaving,
        ..heartbeat("a", 1, u64::MAX)
    };
    assert_eq!(scene.table.observe(last, scene.now), Observed::Applied);
    assert_eq!(scene.liveness("a"), None);
}

#[test]
fn the_dead_are_forgotten_after_a_while() {
    let mut scene = Scene::of(&["a", "b"]);
    scene.run(Duration::from_secs(30), &["b"]);
    scene.check(&[("a", Dead)]);
    scene.run(DEAD_REMEMBERED, &["b"]);
    assert_eq!(scene.liveness("a"), None);
    assert_eq!(scene.table.entries.len(), 2);
}

#[test]
fn incarnations_and_sequences() {
    // What is heard after (epoch 5, sequence 10), and what it does.
    for (epoch, sequence, expected, replaced) in [
        (5, 11, Observed::Applied, false),
        (5, 10, Observed::Stale, false),
        (5, 9, Observed::Stale, false),
        (4, 99, Observed::Stale, false),
        (6, 0, Observed::Applied, true),
    ] {
        let mut scene = Scene::of(&[]);
        let now = scene.now;
        scene.table.observe(heartbeat("a", 5, 10), now);
        let before = scene.member("a");
        let observed = scene.table.observe(heartbeat("a", epoch, sequence), now);
        assert_eq!(observed, expected, "({epoch}, {sequence})");
        assert_eq!(before.lost.is_cancelled(), replaced);
        let after = scene.member("a");
        assert_eq!(after.epoch, Epoch(if replaced { epoch } else { 5 }));
        assert!(!after.lost.is_cancelled());
    }
}

#[test]
fn a_dead_incarnation_does_not_replace_a_newer_one() {
    let mut scene = Scene::of(&["b", "c"]);
    let now = scene.now;
    scene.table.observe(heartbeat("a", 5, 0), now);
    scene.run(Duration::from_secs(5), &["b", "c"]);
    let now = scene.now;
    assert_eq!(
        scene.table.observe(heartbeat("a", 4, 9), now),
        Observed::Stale
    );
    scene.check(&[("a", Dead)]);
}

/// It was not called for a minute.
#[test]
fn an_older_incarnation_is_taken_in_when_it_is_the_one_that_lives() {
    let mut scene = Scene::of(&["b", "c"]);
    let now = scene.now;
    scene.table.observe(heartbeat("a", 5, 0), now);
    let killed = scene.now;
    let mut sequence = 0;
    while scene.member("a").epoch == Epoch(5) {
        scene.run(BEAT, &["b", "c"]);
        sequence += 1;
        let beat = heartbeat("a", 4, sequence);
        let observed = scene.table.observe(beat, scene.now);
        let is_dead = scene.now - killed >= dead_after(BEAT);
        assert_eq!(observed == Observed::Applied, is_dead, "{sequence}");
    }
    assert!(scene.now - killed <= dead_after(BEAT) + 2 * BEAT);
    scene.check(&[("a", Alive)]);
}

#[test]
fn a_few_late_heartbeats_of_an_older_incarnation_bring_nobody_back() {
    let mut scene = Scene::of(&["b", "c"]);
    let now = scene.now;
    scene.table.observe(heartbeat("a", 5, 0), now);
    scene.run(Duration::from_secs(5), &["b", "c"]);
    let mut late = |sequence| {
        let beat = heartbeat("a", 4, sequence);
        assert_eq!(scene.table.observe(beat, scene.now), Observed::Stale);
        scene.run(BEAT, &["b", "c"]);
    };
    late(1);
    late(2);
    late(3);
    // It does not go on.
    scene.run(Duration::from_secs(2), &["b", "c"]);
    let beat = heartbeat("a", 4, 4);
    assert_eq!(scene.table.observe(beat, scene.now), Observed::Stale);
    scene.check(&[("a", Dead)]);
}

#[test]
fn one_that_leaves_is_gone_at_once_and_for_good() {
    let mut scene = Scene::of(&["a"]);
    let before = scene.member("a");
    let now = scene.now;
    let mut goodbye = heartbeat("a", 1, 100);
    goodbye.state = NodeState::Leaving;
    assert_eq!(scene.table.observe(goodbye, now), Observed::Applied);
    assert!(before.lost.is_cancelled());
    assert_eq!(scene.liveness("a"), None);
    assert_eq!(scene.candidates(), ["own"]);
    assert_eq!(scene.table.live_count(), 1);
    // A heartbeat that overtook the goodbye does not bring it back; a new incarnation does.
    assert_eq!(
        scene.table.observe(heartbeat("a", 1, 101), now),
        Observed::Stale
    );
    assert_eq!(scene.liveness("a"), None);
    assert_eq!(
        scene.table.observe(heartbeat("a", 2, 0), now),
        Observed::Applied
    );
    scene.check(&[("a", Alive)]);
}

#[test]
fn one_that_drains_gets_no_calls_and_keeps_those_it_has() {
    let mut scene = Scene::of(&["a"]);
    let before = scene.member("a");
    let now = scene.now;
    let mut draining = heartbeat("a", 1, 100);
    draining.state = NodeState::Draining;
    scene.table.observe(draining, now);
    assert!(!before.lost.is_cancelled());
    scene.check(&[("a", Alive)]);
    assert_eq!(scene.candidates(), ["own"]);
}

#[test]
fn only_ready_replicas_are_candidates() {
    for (state, expected) in [
        (ReplicaState::Ready, 1),
        (ReplicaState::Starting, 0),
        (ReplicaState::Failing, 0),
        (ReplicaState::Draining, 0),
    ] {
        let mut scene = Scene::of(&[]);
        let mut beat = heartbeat("a", 1, 0);
        beat.replicas[0].state = state;
        let now = scene.now;
        scene.table.observe(beat, now);
        let view = scene.table.view();
        assert_eq!(
            view.remote_candidates(&actor()).len(),
            expected,
            "{state:?}"
        );
        assert_eq!(view.candidates(&actor()).len(), expected + 1);
    }
}

#[test]
fn a_change_says_how_much_changed() {
    let mut scene = Scene::of(&["a"]);
    scene.table.view();
    let now = scene.now;
    let mut next = heartbeat("a", 1, 100);
    scene.table.observe(next.clone(), now);
    assert_eq!(scene.table.change(), ViewChange::None);
    next.sequence += 1;
    next.replicas[0].running = 3;
    scene.table.observe(next.clone(), now);
    assert_eq!(scene.table.change(), ViewChange::Load);
    assert_eq!(scene.table.view().candidates(&actor())[1].report.running, 3);
    let changes: [fn(&mut Heartbeat); 4] = [
        |beat| beat.replicas[0].state = ReplicaState::Draining,
        |beat| beat.replicas.clear(),
        |beat| beat.labels = vec![("zone".into(), "b".into())],
        |beat| beat.version = "2".into(),
    ];
    for change in changes {
        next.sequence += 1;
        change(&mut next);
        scene.table.observe(next.clone(), now);
        assert_eq!(scene.table.change(), ViewChange::Membership);
        let member = scene.member("a");
        assert_eq!(*member.replicas, *next.replicas);
        assert_eq!(*member.labels, *next.labels);
        assert_eq!(*member.version, *next.version);
    }
}

#[test]
fn nobody_is_evicted_while_the_own_link_is_down() {
    let mut scene = Scene::of(&["a", "b"]);
    scene.link = LinkState::Down;
    scene.run(Duration::from_secs(60), &[]);
    scene.check(&[("a", Suspect), ("b", Suspect)]);
    assert!(scene.table.is_isolated());
    assert!(scene.table.view().is_isolated());
    // Up again: silence counts from now.
    scene.link = LinkState::Up;
    scene.run(Duration::from_millis(1900), &["a"]);
    scene.check(&[("a", Alive), ("b", Suspect)]);
    assert!(!scene.table.is_isolated());
    scene.run(Duration::from_millis(200), &["a"]);
    scene.check(&[("b", Dead)]);
}

#[test]
fn nobody_is_evicted_by_one_that_does_not_hear_itself() {
    // Two others: too few to tell by how many are silent.
    let mut scene = Scene::of(&["a", "b"]);
    scene.echo = false;
    scene.run(Duration::from_secs(60), &[]);
    scene.check(&[("a", Suspect), ("b", Suspect)]);
    assert!(scene.table.is_isolated());
    scene.echo = true;
    scene.run(Duration::from_millis(1900), &["a"]);
    scene.check(&[("a", Alive), ("b", Suspect)]);
    assert!(!scene.table.is_isolated());
    scene.run(Duration::from_millis(400), &["a"]);
    scene.check(&[("b", Dead)]);
}

#[test]
fn own_pause_is_no_deafness() {
    let mut scene = Scene::of(&["a", "b"]);
    scene.pause(Duration::from_secs(30));
    scene.run(TICK, &[]);
    assert!(!scene.table.is_isolated());
}

#[test]
fn what_was_heard_before_the_first_tick_has_the_grace_of_a_pause() {
    let now = Instant::now();
    let mut table = MemberTable::new(scene::node("own"), NodeClock::start());
    table.observe_own(heartbeat("own", 1, 0), now);
    table.observe(heartbeat("a", 1, 0), now);
    table.tick(now + Duration::from_secs(20), LinkState::Up);
    let view = table.view();
    assert!(view.members().all(|member| member.liveness == Alive));
}

#[test]
fn mass_silence_is_held_then_believed() {
    let names = ["a", "b", "c", "d"];
    for (beating, held) in [
        (&names[..0], true),
        (&names[..1], true),
        (&names[..2], false),
        (&names[..3], false),
    ] {
        let mut scene = Scene::of(&names);
        scene.run(Duration::from_secs(5), beating);
        assert_eq!(scene.table.is_isolated(), held, "{beating:?} beat");
        for name in &names[beating.len()..] {
            scene.check(&[(name, if held { Suspect } else { Dead })]);
        }
        scene.run(MASS_DEATH_HOLD, beating);
        for name in &names[beating.len()..] {
            scene.check(&[(name, Dead)]);
        }
        assert!(!scene.table.is_isolated());
        for name in beating {
            scene.check(&[(name, Alive)]);
        }
    }
}

#[test]
fn two_others_are_no_majority_to_tell_by() {
    let mut scene = Scene::of(&["a", "b"]);
    scene.run(Duration::from_secs(2), &[]);
    scene.check(&[("a", Dead), ("b", Dead)]);
}

#[test]
fn after_a_hiccup_of_the_bus_the_late_ones_have_time_to_follow() {
    let mut scene = Scene::of(&["a", "b", "c"]);
    scene.run(Duration::from_secs(5), &[]);
    scene.run(BEAT, &["a", "b"]);
    assert!(!scene.table.is_isolated());
    scene.check(&[("a", Alive), ("b", Alive), ("c", Suspect)]);
    scene.run(Duration::from_millis(500), &["a", "b", "c"]);
    scene.check(&[("c", Alive)]);
}

#[test]
fn own_pause_is_not_held_against_the_others() {
    let mut scene = Scene::of(&["a", "b"]);
    let before = scene.member("a");
    scene.pause(Duration::from_secs(30));
    scene.run(Duration::from_millis(700), &["b"]);
    scene.check(&[("a", Alive), ("b", Alive)]);
    assert!(!before.lost.is_cancelled());
    scene.run(Duration::from_millis(200), &["b"]);
    scene.check(&[("a", Suspect)]);
}

#[test]
fn a_heartbeat_from_before_the_own_pause_is_a_sign_of_life() {
    let mut scene = Scene::of(&["a", "b"]);
    scene.run(Duration::from_secs(1), &["b"]);
    scene.check(&[("a", Suspect)]);
    scene.pause(Duration::from_secs(30));
    scene.beat(&["a"]);
    scene.check(&[("a", Alive)]);
}

#[test]
fn slow_beats_are_waited_for() {
    let mut scene = Scene::of(&["b"]);
    let mut slow = heartbeat("a", 1, 0);
    slow.interval_ms = 1000;
    let now = scene.now;
    scene.table.observe(slow, now);
    for (seconds, expected) in [(3, Alive), (1, Suspect), (3, Suspect), (1, Dead)] {
        scene.run(Duration::from_secs(seconds), &["b"]);
        scene.check(&[("a", expected)]);
    }
}

#[test]
fn over_a_limit_is_malformed() {
    let honest = heartbeat("a", 1, 0);
    let label = |bytes| ("k".to_owned(), "v".repeat(bytes));
    let mut over = vec![honest.clone(); 4];
    over[0].labels = vec![label(1); LABELS_MAX + 1];
    over[1].labels = vec![label(LABEL_BYTES_MAX + 1)];
    over[2].version = "v".repeat(LABEL_BYTES_MAX + 1);
    over[3].replicas = vec![honest.replicas[0].clone(); REPLICAS_PER_NODE_MAX + 1];
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    for beat in over {
        assert_eq!(scene.table.observe(beat, now), Observed::Malformed);
        assert_eq!(scene.liveness("a"), None);
    }
    let mut at_limit = honest;
    at_limit.labels = vec![label(LABEL_BYTES_MAX); LABELS_MAX];
    at_limit.replicas = vec![at_limit.replicas[0].clone(); REPLICAS_PER_NODE_MAX];
    assert_eq!(scene.table.observe(at_limit, now), Observed::Applied);
}

#[test]
fn a_full_table_makes_room_only_by_forgetting_the_dead() {
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    for n in 1..MEMBERS_MAX {
        let observed = scene.table.observe(heartbeat(&format!("n{n}"), 1, 0), now);
        assert_eq!(observed, Observed::Applied);
    }
    assert_eq!(
        scene.table.observe(heartbeat("late", 1, 0), now),
        Observed::Dropped
    );
    assert_eq!(scene.table.live_count(), MEMBERS_MAX);
    let mut goodbye = heartbeat("n7", 1, 1);
    goodbye.state = NodeState::Leaving;
    scene.table.observe(goodbye, now);
    assert_eq!(
        scene.table.observe(heartbeat("late", 1, 0), now),
        Observed::Applied
    );
    assert_eq!(scene.table.entries.len(), MEMBERS_MAX);
}
