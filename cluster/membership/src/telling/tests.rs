//! What is told, against what is.

use proptest::{collection::vec, prelude::*};
use wrt_protocol::{
    Name,
    heartbeat::{Applied, ReplicaState},
};

use super::*;

const NOBODY: Described<'_> = Described {
    version: "1",
    labels: &[],
};

fn report(actor: usize, running: u32) -> ReplicaReport {
    let name = |text: &str| Name::new(text).expect("a legal name");
    ReplicaReport {
        actor: ActorAddress::component(name("shop"), name(&format!("c{actor}"))),
        state: ReplicaState::Ready,
        running,
        waiting: 0,
        concurrency_max: 64,
        handled: 0,
        refused: 0,
    }
}

fn applied(
    changes: &Changes,
    known: ShareRevision,
    before: &[ReplicaReport],
) -> Vec<ReplicaReport> {
    match changes.apply(Some(known), || before.to_vec()) {
        Applied::Nothing => before.to_vec(),
        Applied::Changed(after) => after,
        Applied::NotKnown => panic!("{changes:?} to {known:?}"),
    }
}

#[test]
fn one_who_does_nothing_tells_nothing() {
    let mut telling = Telling::default();
    let now: Vec<_> = (0..10).map(|at| report(at, 0)).collect();
    let first = telling.changes(&now, Precision::Rough, 10_000);
    assert_eq!(first.changes.len(), 10);
    for _ in 0..8 {
        let next = telling.changes(&now, Precision::Exact, 10_000);
        assert_eq!(
            (next.since, next.revision),
            (first.revision, first.revision)
        );
        assert_eq!(next.changes, []);
    }
}

/// Each call changes these, and each heartbeat would have them all.
#[test]
fn what_was_handled_is_not_told_by_itself() {
    let mut telling = Telling::default();
    telling.changes(&[report(0, 0)], Precision::Exact, 10_000);
    let mut now = report(0, 0);
    now.handled = 1000;
    now.refused = 3;
    let next = telling.changes(&[now.clone()], Precision::Exact, 10_000);
    assert_eq!(next.changes, []);
    let (revision, whole) = telling.told(&[now.clone()], NOBODY);
    assert_eq!((revision, whole.replicas), (next.revision, vec![now]));
}

#[test]
fn a_little_more_load_waits_and_much_does_not() {
    for (told, now, is_told) in [
        (0, 1, true),
        (1, 0, true),
        (1, 2, true),
        (4, 5, false),
        (4, 6, true),
        (100, 120, false),
        (100, 126, true),
        (100, 74, true),
    ] {
        let mut telling = Telling::default();
        telling.changes(&[report(0, told)], Precision::Exact, 10_000);
        let rough = telling.changes(&[report(0, now)], Precision::Rough, 10_000);
        assert_eq!(!rough.changes.is_empty(), is_told, "{told} to {now}");
        let exact = telling.changes(&[report(0, now)], Precision::Exact, 10_000);
        assert_eq!(exact.changes.is_empty(), is_told, "{told} to {now}");
    }
}

#[test]
fn what_does_not_fit_follows() {
    let mut telling = Telling::default();
    let now: Vec<_> = (0..100).map(|at| report(at, 0)).collect();
    let (mut known, mut share) = (ShareRevision::default(), Vec::new());
    let mut heartbeats = 0;
    while share.len() < now.len() {
        let next = telling.changes(&now, Precision::Exact, 500);
        let bytes: usize = next.changes.iter().map(ReplicaChange::bytes_max).sum();
        assert!(bytes <= 500, "{bytes}");
        share = applied(&next, known, &share);
        known = next.revision;
        heartbeats += 1;
    }
    assert!(heartbeats > 5, "{heartbeats}");
    assert_eq!(share, now);
}

fn a_state() -> impl Strategy<Value = ReplicaState> {
    prop_oneof![Just(ReplicaState::Ready), Just(ReplicaState::Failing)]
}

fn some_reports() -> impl Strategy<Value = Vec<ReplicaReport>> {
    let each = (any::<bool>(), 0..40_u32, a_state());
    vec(each, 12).prop_map(|each| {
        let there = each
            .into_iter()
            .enumerate()
            .filter(|(_, (is_there, ..))| *is_there);
        let report = |(at, (_, running, state))| ReplicaReport {
            state,
            ..report(at, running)
        };
        there.map(report).collect()
    })
}

proptest! {
    /// Whoever hears everything knows what was told, and in the end what is; who misses one knows that.
    #[test]
    fn who_hears_everything_knows_what_is(
        steps in vec((some_reports(), any::<bool>()), 1..12),
        bytes_max in 1..2_000_usize,
        missed in 0..12_usize,
    ) {
        let mut telling = Telling::default();
        let (mut known, mut share) = (ShareRevision::default(), Vec::new());
        for (at, (now, is_exact)) in steps.iter().enumerate() {
            let precision = if *is_exact { Precision::Exact } else { Precision::Rough };
            let next = telling.changes(now, precision, bytes_max);
            prop_assert_eq!(next.since, known);
            if at == missed && next.revision != known {
                let later = telling.changes(now, precision, bytes_max);
                let known_again = later.revision == known;
                let of_missed = later.apply(Some(known), || share.clone());
                prop_assert!(known_again || of_missed == Applied::NotKnown);
                share = applied(&next, known, &share);
                share = applied(&later, next.revision, &share);
                known = later.revision;
            } else {
                share = applied(&next, known, &share);
                known = next.revision;
            }
            prop_assert_eq!(&share, &telling.told);
        }
        let last = &steps.last().expect("there is one").0;
        for _ in 0..200 {
            let next = telling.changes(last, Precision::Exact, bytes_max);
            share = applied(&next, known, &share);
            known = next.revision;
        }
        let by_actor = |reports: &[ReplicaReport]| {
            let mut reports = reports.to_vec();
            reports.sort_by(|a, b| a.actor.cmp(&b.actor));
            reports
        };
        prop_assert_eq!(by_actor(&share), by_actor(last));
    }
}
