use std::collections::HashSet;

use proptest::prelude::*;
use wrt_protocol::Execution;

use super::*;

fn fence(lease: usize, epoch: u64) -> Fence {
    let lease = LeaseName::new(&format!("work-{lease}")).unwrap();
    Fence::new(lease, Epoch(epoch))
}

/// One who holds the lease for a while, and the calls that it begins meanwhile.
#[derive(Debug, Clone)]
struct Term {
    /// Since the one before it has ended.
    free_secs: u64,
    lasts_secs: u64,
    calls: Vec<Call>,
}

/// When its context is made within the term, for how long it may last, and when it comes, each as a share of
/// what is possible.
#[derive(Debug, Clone)]
struct Call {
    made: f64,
    budget: f64,
    comes: f64,
}

fn terms() -> impl Strategy<Value = Vec<Term>> {
    let share = || prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64];
    let call = (share(), share(), share()).prop_map(|(made, budget, comes)| Call {
        made,
        budget,
        comes,
    });
    let calls = prop::collection::vec(call, 0..6);
    let secs = || prop_oneof![0..10_u64, 0..200_000_u64];
    let term = (secs(), secs(), calls).prop_map(|(free_secs, lasts_secs, calls)| Term {
        free_secs,
        lasts_secs,
        calls,
    });
    prop::collection::vec(term, 1..8)
}

/// What comes at the callee: when, and of which epoch.
fn arrivals(terms: &[Term]) -> Vec<(Duration, u64)> {
    let (mut begins, mut arrivals) = (Duration::ZERO, Vec::new());
    for (epoch, term) in (1..).zip(terms) {
        begins += Duration::from_secs(term.free_secs);
        let lasts = Duration::from_secs(term.lasts_secs);
        for call in &term.calls {
            let made = begins + lasts.mul_f64(call.made);
            let within = BUDGET_MAX.mul_f64(call.budget) + Callee::LATE_MAX;
            arrivals.push((made + within.mul_f64(call.comes), epoch));
        }
        begins += lasts;
    }
    arrivals.sort();
    arrivals
}

proptest! {
    /// Fails when an epoch is forgotten while a call of an earlier one may come.
    #[test]
    fn nothing_of_an_earlier_holder_runs_behind_a_later_one(terms in terms()) {
        let (mut fences, start) = (Fences::default(), Instant::now());
        let mut latest = 0;
        for (at, epoch) in arrivals(&terms) {
            let checked = fences.check(&fence(0, epoch), start + at, Hop::Gate);
            match epoch < latest {
                true => prop_assert_eq!(checked.unwrap_err().kind(), FaultKind::Fenced),
                false => prop_assert!(checked.is_ok(), "{epoch} after {latest}"),
            }
            latest = latest.max(epoch);
        }
    }

    /// Fails when one lease's epochs count for another, or when there is no bound.
    #[test]
    fn leases_are_apart_and_few(
        calls in prop::collection::vec((0..3_usize * LEASES_SEEN_MAX / 2, 1..4_u64), 1..200),
        filled in prop_oneof![Just(0), Just(LEASES_SEEN_MAX - 20)],
    ) {
        let (mut fences, now) = (Fences::default(), Instant::now());
        let mut latest = HashMap::new();
        let filling = (0..filled).map(|lease| (lease, 1));
        for (lease, epoch) in filling.chain(calls) {
            let has_room = latest.len() < LEASES_SEEN_MAX || latest.contains_key(&lease);
            let seen = latest.get(&lease).copied().unwrap_or(0);
            let checked = fences.check(&fence(lease, epoch), now, Hop::Gate);
            match checked {
                Ok(()) => {
                    prop_assert!(has_room && epoch >= seen);
                    latest.insert(lease, epoch);
                }
                Err(fault) => {
                    prop_assert_eq!(fault.execution(), Execution::NotExecuted);
                    prop_assert_eq!(fault.is_overloaded(), !has_room);
                    prop_assert!(!has_room || epoch < seen);
                }
            }
            prop_assert!(fences.0.len() <= LEASES_SEEN_MAX);
        }
    }
}

/// A lease whose bucket was lost begins anew, and old ones make room.
#[test]
fn what_can_be_stale_no_more_is_forgotten() {
    let (mut fences, now) = (Fences::default(), Instant::now());
    for lease in 0..LEASES_SEEN_MAX {
        fences.check(&fence(lease, 7), now, Hop::Gate).unwrap();
    }
    let almost = now + REMEMBERED_FOR;
    let one_more = fence(LEASES_SEEN_MAX, 1);
    let full = fences.check(&one_more, almost, Hop::Gate).unwrap_err();
    assert!(full.is_overloaded(), "{full}");
    let stale = fences.check(&fence(0, 6), almost, Hop::Gate).unwrap_err();
    assert_eq!(stale.kind(), FaultKind::Fenced);
    assert!(
        stale.detail().contains("work-0 is had in epoch 7"),
        "{stale}"
    );

    let later = almost + Duration::from_millis(1);
    fences.check(&fence(0, 6), later, Hop::Gate).unwrap();
    fences.check(&one_more, later, Hop::Gate).unwrap();
    let kept: HashSet<_> = fences.0.keys().cloned().collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
}
