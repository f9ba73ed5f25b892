//! Heartbeats that say only what has changed.

use std::time::Duration;

use wrt_protocol::{
    Epoch,
    heartbeat::{
        Beat, Changes, NodeState, PartOf, ReplicaChange, ReplicaState, Said, ShareRevision,
    },
};

use super::scene::{Scene, heartbeat};
use crate::{
    Liveness::{Alive, Suspect},
    Observed, ViewChange,
};

/// A whole one of a build that reads changes.
fn whole(name: &str, epoch: u64, sequence: u64, revision: u64) -> Beat {
    let mut beat = Beat::from(heartbeat(name, epoch, sequence));
    if let Said::Whole(share) = &mut beat.said {
        share.part = Some(PartOf {
            revision: ShareRevision(revision),
            first: 0,
            count: 1,
            members: 3,
        });
    }
    beat
}

/// One that says that the first replica runs so many calls.
fn runs(name: &str, epoch: u64, sequence: u64, since: u64, running: u32) -> Beat {
    let is = ReplicaChange::Is {
        at: 0,
        state: ReplicaState::Ready,
        running,
        waiting: 0,
        concurrency_max: 8,
    };
    Beat {
        pulse: whole(name, epoch, sequence, 0).pulse,
        said: Said::Changes(Changes {
            since: ShareRevision(since),
            revision: ShareRevision(since + 1),
            changes: vec![is],
        }),
    }
}

fn running(scene: &mut Scene, name: &str) -> u32 {
    scene.member(name).replicas[0].running
}

#[test]
fn changes_are_made_to_the_share_that_they_are_made_to() {
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    assert_eq!(
        scene.table.observe_beat(whole("a", 1, 0, 7), now),
        Observed::Applied
    );
    scene.table.view();
    for (sequence, since, running_now, observed, known) in [
        (1, 7, 3, Observed::Applied, 3),
        // It came twice, or what was asked for had it already.
        (2, 7, 3, Observed::Applied, 3),
        (3, 9, 5, Observed::Gap, 3),
        (4, 10, 6, Observed::Gap, 3),
        (5, 8, 4, Observed::Applied, 4),
        (5, 9, 4, Observed::Stale, 4),
    ] {
        let beat = runs("a", 1, sequence, since, running_now);
        assert_eq!(scene.table.observe_beat(beat, now), observed, "{sequence}");
        assert_eq!(running(&mut scene, "a"), known, "{sequence}");
    }
    let all = whole("a", 1, 6, 30);
    assert_eq!(scene.table.observe_beat(all, now), Observed::Applied);
    assert_eq!(running(&mut scene, "a"), 0);
    scene.table.observe_beat(runs("a", 1, 7, 30, 9), now);
    assert_eq!(scene.table.change(), ViewChange::Load);
    assert_eq!(running(&mut scene, "a"), 9);
}

/// A place that the list does not have: nothing of it is done.
#[test]
fn changes_that_make_no_sense_change_nothing() {
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    scene.table.observe_beat(whole("a", 1, 0, 7), now);
    let mut beat = runs("a", 1, 1, 7, 5);
    if let Said::Changes(changes) = &mut beat.said {
        changes.changes.push(ReplicaChange::Gone { at: 1 });
    }
    assert_eq!(scene.table.observe_beat(beat, now), Observed::Gap);
    assert_eq!(running(&mut scene, "a"), 0);
}

#[test]
fn nobody_becomes_a_member_by_less_than_all() {
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    assert_eq!(
        scene.table.observe_beat(runs("a", 1, 5, 7, 1), now),
        Observed::Gap
    );
    let mut part = whole("a", 1, 6, 8);
    if let Said::Whole(share) = &mut part.said {
        share.part.as_mut().expect("it has one").count = 2;
    }
    assert_eq!(scene.table.observe_beat(part, now), Observed::Gap);
    let mut goodbye = runs("b", 1, 5, 7, 1);
    goodbye.pulse.state = NodeState::Leaving;
    assert_eq!(scene.table.observe_beat(goodbye, now), Observed::Stale);
    assert_eq!((scene.liveness("a"), scene.liveness("b")), (None, None));
    scene.table.observe_beat(whole("a", 1, 7, 8), now);
    scene.check(&[("a", Alive)]);
}

/// It shows that its node lives, and says whether that takes work.
#[test]
fn what_cannot_be_made_is_a_sign_of_life() {
    let mut scene = Scene::of(&["b", "c"]);
    let now = scene.now;
    scene.table.observe_beat(whole("a", 1, 0, 7), now);
    scene.run(Duration::from_millis(900), &["b", "c"]);
    scene.check(&[("a", Suspect)]);
    let mut beat = runs("a", 1, 1, 20, 5);
    let passed = scene.now - now;
    beat.pulse.sent_at.0 += u64::try_from(passed.as_micros()).expect("a short test");
    beat.pulse.state = NodeState::Draining;
    assert_eq!(scene.table.observe_beat(beat, scene.now), Observed::Gap);
    scene.check(&[("a", Alive)]);
    assert_eq!(scene.member("a").state, NodeState::Draining);
    assert_eq!(running(&mut scene, "a"), 0);
}

/// That it is there is certain, and what it is is not known yet.
#[test]
fn a_newer_incarnation_is_taken_in_when_it_has_said_all() {
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    scene.table.observe_beat(whole("a", 1, 9, 7), now);
    let before = scene.member("a");
    assert_eq!(
        scene.table.observe_beat(runs("a", 2, 3, 1, 5), now),
        Observed::Gap
    );
    assert_eq!(scene.member("a").epoch, Epoch(1));
    assert!(!before.lost.is_cancelled());
    assert_eq!(
        scene.table.observe_beat(whole("a", 2, 4, 2), now),
        Observed::Applied
    );
    assert_eq!(scene.member("a").epoch, Epoch(2));
    assert!(before.lost.is_cancelled());
    assert_eq!(
        scene.table.observe_beat(runs("a", 1, 10, 7, 5), now),
        Observed::Stale
    );
}

#[test]
fn one_that_reads_all_or_nothing_is_remembered_for_a_while() {
    let mut scene = Scene::of(&[]);
    let now = scene.now;
    scene.table.observe_beat(whole("a", 1, 0, 7), now);
    assert!(scene.table.all_read_changes());
    scene.table.observe(heartbeat("old", 1, 0), now);
    assert!(!scene.table.all_read_changes());
    let mut goodbye = heartbeat("old", 1, 1);
    goodbye.state = NodeState::Leaving;
    scene.table.observe(goodbye, now);
    scene.run(Duration::from_secs(50), &[]);
    assert!(!scene.table.all_read_changes(), "it may be back");
    scene.run(Duration::from_secs(15), &[]);
    assert!(scene.table.all_read_changes());
}
