use proptest::prelude::*;

use super::*;

const TIMES: LeaseTimes = LeaseTimes::DEFAULT;

/// The lattice's bucket: writes are compare-and-set.
#[derive(Default)]
struct Bucket {
    entry: Stored,
    revisions: u64,
}

impl Bucket {
    fn remove(&mut self) {
        self.revisions += 1;
        self.entry = Stored {
            revision: Some(Revision(self.revisions)),
            record: None,
        };
    }

    fn write(&mut self, record: &LeaseRecord, instead_of: Option<Revision>) -> Option<Revision> {
        if self.entry.revision != instead_of {
            return None;
        }
        self.revisions += 1;
        self.entry = Stored {
            revision: Some(Revision(self.revisions)),
            record: Some(record.clone()),
        };
        self.entry.revision
    }
}

/// One who wants the lease, and what it has under way.
struct One {
    lease: Lease,
    under_way: Option<UnderWay>,
}

enum UnderWay {
    Read,
    HasRead(Stored),
    Write {
        asked_at: Instant,
        record: LeaseRecord,
        instead_of: Option<Revision>,
    },
    HasWritten {
        asked_at: Instant,
        record: LeaseRecord,
        revision: Option<Revision>,
    },
}

impl One {
    fn new(at: usize) -> Self {
        Self {
            // Their wall clocks differ.
            lease: Lease::new(format!("one-{at}"), TIMES).past(1000 - 300 * at as u64),
            under_way: None,
        }
    }

    /// The next thing that happens to it: it asks, the store does, or it hears. What is asked may be heard
    /// much later, or never.
    fn step(&mut self, now: Instant, stored: &mut Bucket, is_lost: bool) {
        self.under_way = match self.under_way.take() {
            None => match self.lease.next(now) {
                Step::WaitUntil(_) => Some(UnderWay::Read),
                Step::Write { record, instead_of } => Some(UnderWay::Write {
                    asked_at: now,
                    record,
                    instead_of,
                }),
            },
            Some(UnderWay::Read) => Some(UnderWay::HasRead(stored.entry.clone())),
            Some(UnderWay::HasRead(entry)) => {
                if !is_lost {
                    self.lease.read(now, entry);
                }
                None
            }
            Some(UnderWay::Write {
                asked_at,
                record,
                instead_of,
            }) => Some(UnderWay::HasWritten {
                asked_at,
                revision: stored.write(&record, instead_of),
                record,
            }),
            Some(UnderWay::HasWritten {
                asked_at,
                record,
                revision,
            }) => {
                match revision {
                    Some(revision) if !is_lost => self.lease.written(asked_at, revision, record),
                    // It looks before it tries again.
                    _ => {}
                }
                Some(UnderWay::Read)
            }
        };
    }
}

#[derive(Debug, Clone)]
struct Event {
    who: usize,
    after_ms: u64,
    is_lost: bool,
    gives_back: bool,
    /// Somebody removes what is stored.
    is_wiped: bool,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let after = prop_oneof![6 => 0..150_u64, 1 => 0..4000_u64];
    let event = (
        0..3_usize,
        after,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.01),
        prop::bool::weighted(0.005),
    );
    let event = event.prop_map(|(who, after_ms, is_lost, gives_back, is_wiped)| Event {
        who,
        after_ms,
        is_lost,
        gives_back,
        is_wiped,
    });
    prop::collection::vec(event, 1..400)
}

proptest! {
    /// Whatever is late, lost, given back or wiped.
    #[test]
    fn never_do_two_have_it_and_each_epoch_is_a_new_one(events in events()) {
        let mut now = Instant::now();
        let mut stored = Bucket::default();
        let mut all: Vec<_> = (0..3).map(One::new).collect();
        let (mut last, mut is_wiped) = (None::<(usize, u64)>, false);
        for event in events {
            now += Duration::from_millis(event.after_ms);
            if event.is_wiped {
                stored.remove();
                is_wiped = true;
            }
            let one = &mut all[event.who];
            if event.gives_back && let Some((record, revision)) = one.lease.give_back() {
                stored.write(&record, Some(revision));
            }
            one.step(now, &mut stored, event.is_lost);
            let holders: Vec<_> = all
                .iter()
                .enumerate()
                .filter_map(|(at, one)| Some((at, one.lease.epoch(now)?)))
                .collect();
            prop_assert!(holders.len() <= 1, "{holders:?}");
            let Some(holder) = holders.first().copied() else { continue };
            if let Some((who, epoch)) = last && holder != (who, epoch) && !is_wiped {
                prop_assert!(holder.1 > epoch, "{holder:?} after {last:?}");
            }
            last = Some(holder);
        }
    }
}

/// Steps of 50 ms, in which everybody hears.
fn run(all: &mut [One], stored: &mut Bucket, now: &mut Instant, steps: u32) {
    for _ in 0..steps {
        *now += Duration::from_millis(50);
        for one in &mut *all {
            one.step(*now, stored, false);
        }
    }
}

fn holder(all: &[One], now: Instant) -> Option<usize> {
    all.iter().position(|one| one.lease.epoch(now).is_some())
}

#[test]
fn a_holder_renews_and_is_followed_within_5_s_when_it_is_gone() {
    let (mut stored, mut now) = (Bucket::default(), Instant::now());
    let mut all: Vec<_> = (0..3).map(One::new).collect();
    run(&mut all, &mut stored, &mut now, 100);
    let first = holder(&all, now).expect("somebody has it");
    let epoch = all[first].lease.epoch(now);
    run(&mut all, &mut stored, &mut now, 2000);
    assert_eq!(
        holder(&all, now),
        Some(first),
        "nobody takes what is renewed"
    );
    assert_eq!(all[first].lease.epoch(now), epoch);

    // It stands still: to itself its time is over before another takes it.
    let mut stopped = all.remove(first);
    let since = now;
    while holder(&all, now).is_none() {
        run(&mut all, &mut stored, &mut now, 1);
        assert!(now - since < Duration::from_secs(5), "nobody follows");
    }
    assert_eq!(stopped.lease.epoch(now), None);
    // It goes on, and is one of those who watch.
    stopped.step(now, &mut stored, false);
    all.push(stopped);
    run(&mut all, &mut stored, &mut now, 200);
    assert!(holder(&all[..2], now).is_some());
    assert_eq!(all[2].lease.epoch(now), None);
}

/// Fails when epochs begin anew with the bucket: what has seen the last one would refuse the next.
#[test]
fn a_bucket_that_was_lost_takes_no_epoch_back() {
    let (mut stored, mut now) = (Bucket::default(), Instant::now());
    let mut first = [One::new(0)];
    run(&mut first, &mut stored, &mut now, 100);
    let before = first[0].lease.epoch(now).expect("it has it");
    // Another time, and nobody who was there.
    let mut later = [One {
        lease: Lease::new("later".to_owned(), TIMES).past(2000),
        under_way: None,
    }];
    run(&mut later, &mut Bucket::default(), &mut now, 100);
    assert!(later[0].lease.epoch(now).expect("it has it") > before);
}

#[test]
fn what_is_given_back_is_taken_at_once() {
    let (mut stored, mut now) = (Bucket::default(), Instant::now());
    let mut all: Vec<_> = (0..2).map(One::new).collect();
    run(&mut all, &mut stored, &mut now, 100);
    let first = holder(&all, now).expect("somebody has it");
    let (record, revision) = all[first].lease.give_back().expect("it has it");
    assert!(stored.write(&record, Some(revision)).is_some());
    all.remove(first);
    run(&mut all, &mut stored, &mut now, 8);
    assert!(holder(&all, now).is_some());
}
