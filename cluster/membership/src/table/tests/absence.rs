//! Who is silent, and of whom the bus says that nobody is there.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;
use wrt_transport::LinkState;

use super::scene::{BEAT, Scene, TICK, heartbeat};
use crate::{
    Liveness::{self, Alive, Dead, Suspect},
    Observed,
    Presence::{self, NotAsked, There, Unanswered, Unknown},
    dead_after, missed_after, suspect_after,
};

/// As long as the two answers are apart, and what ticks add.
const FOUND_ABSENT_MAX: Duration = Duration::from_millis(312 + 250 + 3 * 50);

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A scene in which nothing was amiss for long enough.
fn calm(names: &[&str]) -> Scene {
    let mut scene = Scene::of(names);
    scene.run(dead_after(BEAT), names);
    scene
}

/// How long those named are silent until they are dead, while the others beat.
fn dies_after(scene: &mut Scene, name: &str, beating: &[&str]) -> Duration {
    while scene.liveness(name) != Some(Dead) {
        scene.run(TICK, beating);
        assert!(
            scene.silence(name) <= dead_after(BEAT) + TICK,
            "{name} lives on"
        );
    }
    scene.silence(name)
}

#[test]
fn one_that_is_not_there_is_dead_long_before_its_silence_says_so() {
    let mut scene = calm(&["a", "b"]);
    let lost = scene.member("a").lost.clone();
    scene.crash("a");
    let silence = dies_after(&mut scene, "a", &["b"]);
    let least = missed_after(BEAT) + Duration::from_millis(250);
    assert!(
        silence >= least && silence <= FOUND_ABSENT_MAX,
        "{silence:?}"
    );
    assert!(lost.is_cancelled());
    assert_eq!(scene.table.absent_count(), 1);
    assert!(!scene.table.is_isolated());
    assert_eq!(scene.candidates(), ["own", "b"]);
}

#[test]
fn only_that_nobody_is_there_counts_and_only_when_said_twice() {
    for (presence, suspect_at) in [
        (Unanswered, Some(suspect_after(BEAT))),
        (NotAsked, Some(suspect_after(BEAT))),
        // It has life in it, until it is given up.
        (There, None),
    ] {
        let mut scene = calm(&["a", "b"]);
        scene.presence.insert("a".to_owned(), presence);
        if let Some(suspect_at) = suspect_at {
            scene.run(suspect_at + TICK, &["b"]);
            scene.check(&[("a", Suspect)]);
        }
        let silence = dies_after(&mut scene, "a", &["b"]);
        assert!(silence >= dead_after(BEAT), "{presence:?}: {silence:?}");
        assert_eq!(scene.table.absent_count(), 0);
    }
    // Not there, and there again before it was asked once more.
    let mut scene = calm(&["a", "b"]);
    for presence in [Unknown, There].into_iter().cycle().take(8) {
        scene.presence.insert("a".to_owned(), presence);
        scene.run(BEAT, &["b"]);
        if scene.silence("a") < dead_after(BEAT) {
            assert_ne!(scene.liveness("a"), Some(Dead));
        }
    }
    assert_eq!(scene.table.absent_count(), 0);
}

#[test]
fn one_that_beats_is_not_asked_and_one_that_beats_again_is_not_dead() {
    let mut scene = calm(&["a", "b"]);
    scene.crash("a");
    scene.run(Duration::from_secs(5), &["a", "b"]);
    assert_eq!((scene.asked, scene.table.absent_count()), (0, 0));
    // Each time it is heard before the second answer, which then counts as the first.
    for _ in 0..8 {
        scene.run(Duration::from_millis(500), &["b"]);
        scene.beat(&["a"]);
        scene.check(&[("a", Alive)]);
    }
    assert_eq!(scene.table.absent_count(), 0);
}

#[test]
fn only_a_minority_is_absent_at_a_time() {
    for (others, absent, is_believed) in [
        (1, 1, false),
        (2, 1, true),
        (2, 2, false),
        (3, 1, true),
        (3, 2, false),
        (4, 2, true),
        (4, 3, false),
        (8, 4, true),
        (8, 5, false),
    ] {
        let names = &NAMES[..others];
        let (gone, beating) = names.split_at(absent);
        let mut scene = calm(names);
        for name in gone {
            scene.crash(name);
        }
        scene.run(FOUND_ABSENT_MAX, beating);
        let expected = if is_believed { Dead } else { Alive };
        for name in gone {
            assert_eq!(scene.liveness(name), Some(expected), "{absent} of {others}");
        }
    }
}

#[test]
fn those_who_were_absent_count_until_their_silence_would_have_told() {
    let names = &NAMES[..4];
    let mut scene = calm(names);
    scene.crash("a");
    scene.crash("b");
    scene.run(Duration::from_secs(1), &names[2..]);
    scene.check(&[("a", Dead), ("b", Dead)]);
    scene.crash("c");
    let silence = dies_after(&mut scene, "c", &["d"]);
    assert!(silence > FOUND_ABSENT_MAX, "{silence:?}");
}

#[test]
fn others_who_are_late_for_a_moment_put_it_off_and_no_more() {
    let mut scene = calm(&["a", "b"]);
    scene.crash("a");
    scene.run(Duration::from_millis(450), &[]);
    scene.check(&[("a", Alive), ("b", Alive)]);
    scene.beat(&["b"]);
    scene.run(Duration::from_millis(500), &["b"]);
    scene.check(&[("a", Dead), ("b", Alive)]);
}

#[test]
fn after_something_was_amiss_nothing_is_concluded_for_a_while() {
    let amiss: [fn(&mut Scene); 3] = [
        |scene| {
            scene.link = LinkState::Down;
            scene.run(TICK, &["a", "b"]);
            scene.link = LinkState::Up;
        },
        |scene| scene.pause(Duration::from_secs(1)),
        // Joined just now.
        |scene| *scene = Scene::of(&["a", "b"]),
    ];
    for disturb in amiss {
        let mut scene = calm(&["a", "b"]);
        disturb(&mut scene);
        scene.beat(&["a", "b"]);
        scene.crash("a");
        scene.run(Duration::from_millis(900), &["b"]);
        scene.check(&[("a", Suspect)]);
        assert_eq!(scene.table.absent_count(), 0);
    }
}

#[test]
fn one_that_was_absent_and_beats_is_alive_and_an_older_one_is_not() {
    let mut scene = calm(&["a", "b"]);
    scene.crash("a");
    dies_after(&mut scene, "a", &["b"]);
    let lost = scene.member("a").lost.clone();
    let now = scene.now;
    let older = scene.table.observe(heartbeat("a", 0, u64::MAX), now);
    assert_eq!(older, Observed::Stale);
    scene.check(&[("a", Dead)]);
    scene.beat(&["a"]);
    scene.check(&[("a", Alive)]);
    assert!(lost.is_cancelled() && !scene.member("a").lost.is_cancelled());
    dies_after(&mut scene, "a", &["b"]);
    let now = scene.now;
    let newer = scene.table.observe(heartbeat("a", 2, 0), now);
    assert_eq!(newer, Observed::Applied);
    scene.check(&[("a", Alive)]);
}

#[test]
fn slow_beats_are_asked_late_and_few_at_a_time() {
    let names: Vec<_> = (0..64).map(|n| format!("n{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut scene = calm(&names);
    let (silent, beating) = names.split_at(30);
    for name in silent {
        let mut slow = heartbeat(name, 1, u64::MAX);
        slow.interval_ms = 1000;
        let now = scene.now;
        scene.table.observe(slow, now);
        scene.presence.insert((*name).to_owned(), Unknown);
    }
    scene.run(Duration::from_millis(1200), beating);
    assert_eq!(scene.asked, 0);
    let mut most = 0;
    for _ in 0..20 {
        scene.run(TICK, beating);
        most = most.max(scene.asked);
    }
    assert_eq!((most, scene.table.absent_count()), (16, 30));
}

#[derive(Debug, Clone)]
enum Step {
    Beat(usize),
    Presence(usize, Presence),
    Pass(u64),
    Pause(u64),
    Link(LinkState),
}

fn step() -> impl Strategy<Value = Step> {
    let presence = prop_oneof![
        4 => Just(Unknown),
        1 => Just(There),
        1 => Just(Unanswered),
        1 => Just(NotAsked),
    ];
    prop_oneof![
        8 => (0..NAMES.len()).prop_map(Step::Beat),
        4 => (0..NAMES.len(), presence).prop_map(|(at, presence)| Step::Presence(at, presence)),
        6 => (0..500_u64).prop_map(Step::Pass),
        1 => (0..900_u64).prop_map(Step::Pause),
        1 => prop_oneof![3 => Just(LinkState::Up), 1 => Just(LinkState::Down)].prop_map(Step::Link),
    ]
}

/// What must be so of those who die before their silence would have told.
struct Judge {
    heard: BTreeMap<String, Instant>,
    disturbed: Instant,
    absent: BTreeMap<String, Instant>,
}

impl Judge {
    /// A tick, and what may have become of everybody by it.
    fn tick(&mut self, scene: &mut Scene, beating: &[&str]) -> Result<(), TestCaseError> {
        let before: BTreeMap<String, Liveness> = liveness(scene);
        scene.run(TICK, beating);
        let now = scene.now;
        for name in beating {
            self.heard.insert((*name).to_owned(), now);
        }
        if scene.link == LinkState::Down {
            self.disturbed = now;
        }
        let after = liveness(scene);
        let died = |(name, liveness): (&String, &Liveness)| {
            (*liveness == Dead && before.get(name) != Some(&Dead)).then_some(name.clone())
        };
        let died = after.iter().filter_map(died);
        let early: Vec<_> = died
            .filter(|name| now - self.heard[name] < dead_after(BEAT))
            .collect();
        self.absent
            .retain(|name, at| now - *at < dead_after(BEAT) && after[name] == Dead);
        for name in &early {
            let is_of_now = |(at, presence): &&(Instant, Presence)| {
                *presence == Unknown && *at > self.heard[name]
            };
            let answers = scene.answers[name].iter().rev().take_while(is_of_now);
            let unknown: Vec<_> = answers.map(|(at, _)| *at).collect();
            prop_assert!(unknown.len() >= 2, "{}: {:?}", name, scene.answers[name]);
            let apart = unknown[0] - unknown[unknown.len() - 1];
            prop_assert!(apart >= Duration::from_millis(250), "{}: {:?}", name, apart);
            prop_assert!(now - unknown[0] < Duration::from_millis(500));
            prop_assert!(now - self.heard[name] >= missed_after(BEAT) + Duration::from_millis(250));
            prop_assert!(now - self.disturbed >= dead_after(BEAT));
            self.absent.insert(name.clone(), now);
        }
        if !early.is_empty() {
            let living = after.values().filter(|liveness| **liveness != Dead).count();
            let minority = self.absent.len() < living;
            prop_assert!(
                minority,
                "{} are absent, and {} live",
                self.absent.len(),
                living
            );
        }
        Ok(())
    }
}

fn liveness(scene: &mut Scene) -> BTreeMap<String, Liveness> {
    let view = scene.table.view();
    let members = view
        .members()
        .map(|member| (member.id.to_string(), member.liveness));
    members.collect()
}

proptest! {
    /// Whatever is said of whom, and whatever comes in between: of who dies before its time the bus has said
    /// twice since it was heard, and nothing else in between, that it knows nobody there; so one who only stands
    /// still, or is slow, does not. Nothing was amiss lately. And those who were absent lately are fewer than
    /// those who live.
    #[test]
    fn who_dies_before_its_time_was_not_there(
        others in 1..=NAMES.len(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let names = &NAMES[..others];
        let mut scene = calm(names);
        let began = scene.now;
        let mut judge = Judge {
            heard: names.iter().map(|name| ((*name).to_owned(), began)).collect(),
            disturbed: began - dead_after(BEAT),
            absent: BTreeMap::new(),
        };
        let mut silent: Vec<&str> = Vec::new();
        for step in steps {
            match step {
                Step::Beat(at) if at < others => silent.retain(|name| *name != names[at]),
                Step::Presence(at, presence) if at < others => {
                    let name = names[at];
                    scene.presence.insert(name.to_owned(), presence);
                    if !silent.contains(&name) {
                        silent.push(name);
                    }
                }
                Step::Beat(_) | Step::Presence(..) => {}
                Step::Pass(millis) => {
                    for _ in 0..millis.div_ceil(50) {
                        let is_beat = scene.beats_next();
                        let beats = |name: &&&str| is_beat && !silent.contains(*name);
                        let beating: Vec<_> = names.iter().filter(beats).copied().collect();
                        judge.tick(&mut scene, &beating)?;
                    }
                }
                Step::Pause(millis) => {
                    let ticks = u32::try_from(millis.div_ceil(50)).expect("few");
                    scene.pause(TICK * ticks);
                    if TICK * (ticks + 1) >= BEAT * 2 {
                        judge.disturbed = scene.now;
                    }
                }
                Step::Link(link) => scene.link = link,
            }
        }
    }
}
