//! A component's permits, and those who share them.

use super::*;

/// What is said of a component, which a test changes.
struct Said(Mutex<Option<Vacancy>>);

impl Capacity for Said {
    fn now(&self) -> Option<Vacancy> {
        *self.0.lock()
    }
}

fn vacancy(permits: u32, busy: u32) -> Vacancy {
    Vacancy {
        permits,
        busy,
        sharers: 1,
        rank: 0,
        stale_by: Duration::ZERO,
    }
}

fn places(said: Option<Vacancy>) -> (Arc<Said>, Arc<Admission>, Places) {
    let said = Arc::new(Said(Mutex::new(said)));
    let admission = Admission::new(Arc::clone(&said) as _);
    let places = Places::new(64, 1, &admission);
    (said, admission, places)
}

fn take_all(places: &Places) -> Vec<PlaceInHand> {
    std::iter::from_fn(|| places.try_take()).collect()
}

#[test]
fn no_more_are_taken_than_there_are_permits() {
    for (said, expected) in [
        (None, 64),
        (Some(vacancy(256, 0)), 64),
        (Some(vacancy(4, 0)), 4),
        (Some(vacancy(4, 3)), 1),
        // One always may be.
        (Some(vacancy(4, 4)), 1),
        (Some(vacancy(4, 40)), 1),
        (Some(vacancy(0, 0)), 1),
    ] {
        let (_said, _admission, places) = places(said);
        assert_eq!(take_all(&places).len(), expected, "{said:?}");
    }
}

#[test]
fn what_is_with_the_handler_is_its_own_and_what_is_freed_is_taken_again() {
    let (said, admission, places) = places(Some(vacancy(4, 0)));
    let mut taken = take_all(&places);
    let handed: Vec<_> = taken.iter().map(|_| admission.hand()).collect();
    *said.0.lock() = Some(vacancy(4, 4));
    assert_eq!(admission.bound(), 4);
    // Two others have come, and wait.
    *said.0.lock() = Some(vacancy(4, 6));
    assert_eq!(admission.bound(), 2);
    drop(handed);
    *said.0.lock() = Some(vacancy(4, 2));
    taken.truncate(1);
    taken.extend(take_all(&places));
    assert_eq!(taken.len(), 2);
}

/// One part may wait for messages for long.
#[test]
fn each_part_has_its_share() {
    let said = Arc::new(Said(Mutex::new(Some(vacancy(5, 0)))));
    let admission = Admission::new(said as _);
    let parts = [(); 2].map(|()| Places::new(64, 2, &admission));
    let taken: Vec<_> = parts.iter().map(take_all).collect();
    assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

/// Three who hear late never take more together than there is.
#[tokio::test]
async fn those_who_share_hold_together_what_there_is() {
    let late = Duration::from_millis(40);
    let of = |rank, busy| Vacancy {
        sharers: 3,
        rank,
        stale_by: late,
        ..vacancy(16, busy)
    };
    let all: Vec<_> = (0..3).map(|rank| places(Some(of(rank, 0)))).collect();
    let taken: Vec<_> = all.iter().map(|(_, _, places)| take_all(places)).collect();
    let counts: Vec<_> = taken.iter().map(Vec::len).collect();
    assert_eq!(counts, [6, 5, 5]);
    let admissions = all.iter().zip(&taken);
    let handed: Vec<_> = admissions
        .flat_map(|((_, admission, _), taken)| taken.iter().map(|_| admission.hand()))
        .collect();
    // The same report once more: what was taken since is not in it.
    assert!(all.iter().all(|(_, _, places)| places.try_take().is_none()));
    // It is, and nothing is free: each keeps what it has, as soon as that is old enough.
    for (rank, (said, admission, places)) in (0..).zip(&all) {
        *said.0.lock() = Some(of(rank, 16));
        let until = Instant::now() + Duration::from_secs(10);
        while admission.bound() < handed_by(rank) {
            assert!(Instant::now() < until, "{rank}: {}", admission.bound());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(places.try_take().is_none());
    }
    drop(handed);
}

fn handed_by(rank: u32) -> u32 {
    [6, 5, 5][rank as usize]
}

#[tokio::test]
async fn who_waits_for_a_place_gets_one_when_it_is_free() {
    let (said, _admission, places) = places(Some(vacancy(1, 0)));
    let taken = places.take().await;
    let waits = tokio::spawn({
        let places = places.clone();
        async move { places.take().await }
    });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(taken);
    let taken = timeout(Duration::from_secs(10), waits).await;
    let _taken = taken.expect("in time").expect("no panic");
    // Nothing of its own ends: it looks by itself.
    let waits = tokio::spawn(async move { places.take().await });
    tokio::task::yield_now().await;
    *said.0.lock() = Some(vacancy(2, 0));
    let more = timeout(Duration::from_secs(10), waits).await;
    more.expect("in time").expect("no panic");
}
