use proptest::prelude::*;

use super::*;
use crate::selection::Times;

fn every_minute() -> Timing {
    let times = Times {
        cron: "* * * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        late_ms_max: 30_000,
    };
    Timing::new(&times).expect("it is a pattern")
}

fn facts(owner: &str, now: i64) -> Facts<'_> {
    Facts {
        owner,
        now,
        timing: None,
        revision: None,
        at_most_one: false,
        is_running: false,
        ended: None,
        takes_max: 100,
        number: 1,
    }
}

#[test]
fn what_was_before_the_first_look_is_not_missed() {
    let timing = every_minute();
    let timed = |now| Facts {
        timing: Some(&timing),
        ..facts("a", now)
    };
    let first = plan(None, &timed(1000));
    assert_eq!((first.start, first.missed), (None, 0));
    let memory = first.note.expect("it is noted");
    let same = plan(Some(&memory), &timed(1010));
    assert_eq!(same, Plan::default(), "nothing is written for nothing");
    let tick = plan(Some(&memory), &timed(1021));
    assert_eq!((tick.start, tick.missed), (Some(Why::Tick(1020)), 0));
    // Noted under another pattern: nothing of this one is known.
    let other = Memory {
        timing: Some("another".to_owned()),
        ..memory
    };
    let changed = plan(Some(&other), &timed(5000));
    assert_eq!((changed.start, changed.missed), (None, 0));
}

#[test]
fn a_deploy_is_run_once_for_each_revision_and_never_for_an_older_one() {
    let of = |revision| Facts {
        revision: Some(revision),
        ..facts("a", 1000)
    };
    let first = plan(None, &of(7));
    assert_eq!(first.start, Some(Why::Deploy(7)));
    let memory = first.note.expect("it is noted");
    for (revision, expected) in [(7, None), (6, None), (8, Some(Why::Deploy(8)))] {
        assert_eq!(plan(Some(&memory), &of(revision)).start, expected);
    }
}

#[test]
fn one_at_a_time_skips_a_tick_and_waits_with_a_deploy() {
    let timing = every_minute();
    let memory = Memory {
        timing: Some(timing.text().to_owned()),
        decided_until: 1000,
        deployed: Some(1),
        ..Memory::default()
    };
    let busy = Facts {
        timing: Some(&timing),
        at_most_one: true,
        is_running: true,
        ..facts("a", 1021)
    };
    let skipped = plan(Some(&memory), &busy);
    assert_eq!((skipped.start, skipped.skipped), (None, 1));
    let deployed = Facts {
        revision: Some(2),
        ..busy
    };
    let waits = plan(Some(&memory), &deployed);
    assert_eq!(waits.start, None);
    assert_eq!(waits.note.and_then(|note| note.deployed), Some(1));
    let free = Facts {
        is_running: false,
        ..deployed
    };
    assert_eq!(plan(Some(&memory), &free).start, Some(Why::Deploy(2)));
}

#[test]
fn a_run_of_an_owner_that_was_lost_is_told_once_and_waited_for() {
    let begun = Begun {
        by: "lost".to_owned(),
        number: 3,
        until: 1100,
        is_told: false,
    };
    let memory = Memory {
        begun: Some(begun),
        ..Memory::default()
    };
    for (at_most_one, now, is_waited_for) in [
        (true, 1099, true),
        (true, 1100, false),
        (false, 1000, false),
    ] {
        let facts = Facts {
            at_most_one,
            revision: Some(1),
            ..facts("a", now)
        };
        let found = plan(Some(&memory), &facts);
        assert!(found.is_lost);
        assert_eq!(found.start.is_none(), is_waited_for, "{at_most_one} {now}");
        let again = plan(found.note.as_ref(), &facts);
        assert!(!again.is_lost, "told twice");
    }
}

#[test]
fn the_end_of_a_run_is_noted() {
    let first = Facts {
        revision: Some(1),
        at_most_one: true,
        number: 4,
        ..facts("a", 1000)
    };
    let memory = plan(None, &first).note.expect("it is noted");
    assert!(memory.begun.is_some());
    let still = plan(
        Some(&memory),
        &Facts {
            ended: Some(3),
            ..first
        },
    );
    assert_eq!(still.note, None);
    let over = plan(
        Some(&memory),
        &Facts {
            ended: Some(4),
            ..first
        },
    );
    assert_eq!(over.note.map(|note| note.begun), Some(None));
}

/// What has become of a run of whoever looks.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It runs.
    None,
    /// It is not awaited any more, and may go on.
    Unknown,
    Known,
}

/// A look: who looks, how long after the last one, whether it was written, and how a run of its own ended.
type Look = (u8, i64, bool, End);

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let end = prop::sample::select(vec![End::None, End::Unknown, End::Known]);
    let look = (0..3_u8, 0..400_i64, any::<bool>(), end);
    prop::collection::vec(look, 1..60)
}

proptest! {
    /// Whoever looks, and whichever notes are lost on their way: no tick runs twice, each is run, missed or
    /// skipped once, and with one at a time no run begins before the one before it is over.
    #[test]
    fn each_tick_is_decided_once(looks in looks(), at_most_one in any::<bool>()) {
        let timing = every_minute();
        let (mut stored, mut now) = (None::<Memory>, 10_000_i64);
        let mut counted_from = None;
        let (mut run, mut others, mut number) = (Vec::new(), 0, 0);
        // What may run somewhere, and what its owner still has in hand of that.
        let mut in_hand: Option<(String, u64, i64)> = None;
        let mut ended = std::collections::BTreeMap::<String, u64>::new();
        let mut awaited = None::<u64>;
        for (who, pause, is_written, ends) in looks {
            now += pause;
            let owner = format!("owner-{who}");
            if let Some((by, at, _)) = in_hand.clone().filter(|(by, ..)| *by == owner) {
                match ends {
                    End::None => {}
                    End::Unknown => awaited = None,
                    End::Known => {
                        ended.insert(by, at);
                        in_hand = None;
                    }
                }
            }
            in_hand = in_hand.filter(|(_, _, until)| *until > now);
            number += 1;
            let facts = Facts {
                timing: Some(&timing),
                at_most_one,
                is_running: in_hand.as_ref().is_some_and(|(by, at, _)| *by == owner && awaited == Some(*at)),
                ended: ended.get(&owner).copied(),
                number,
                ..facts(&owner, now)
            };
            let plan = plan(stored.as_ref(), &facts);
            let Some(note) = plan.note else {
                prop_assert_eq!(plan.start, None, "nothing starts that is not noted");
                continue;
            };
            if !is_written {
                continue;
            }
            counted_from.get_or_insert(note.decided_until);
            stored = Some(note);
            others += plan.missed + plan.skipped;
            if let Some(Why::Tick(tick)) = plan.start {
                prop_assert!(!at_most_one || in_hand.is_none(), "two at a time");
                run.push(tick);
                in_hand = Some((owner.clone(), number, now + facts.takes_max));
                awaited = Some(number);
            }
        }
        prop_assert!(run.windows(2).all(|two| two[0] < two[1]), "{:?}", run);
        if let Some((from, memory)) = counted_from.zip(stored) {
            let came = timing.due(from, memory.decided_until);
            let came = came.missed + u64::from(came.run.is_some());
            prop_assert_eq!(run.len() as u64 + others, came);
        }
    }
}
