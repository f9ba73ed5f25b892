//! Instances that have served, and wait for another invocation.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use wrt_host::{Home, Lent};
use wrt_protocol::ComponentLimits;

use crate::EngineKind;

/// For how long, for how many invocations, and how many of a component's instances are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeping {
    invocations_max: u32,
    idle_max: Duration,
    instances_max: usize,
}

impl Keeping {
    /// As the manifest says. Where it does not: an instance of 0.3 serves many invocations, one after
    /// another, and one of 0.2 serves one, which is what its authors expect.
    pub(crate) fn of(limits: &ComponentLimits, kind: EngineKind) -> Self {
        Self {
            invocations_max: limits.invocations_per_instance_max(kind == EngineKind::Concurrent),
            idle_max: limits.instance_idle_max(),
            instances_max: limits.instances_kept_max() as usize,
        }
    }

    fn keeps_any(&self) -> bool {
        self.invocations_max > 1 && self.instances_max > 0 && !self.idle_max.is_zero()
    }
}

/// One that waits.
struct Kept {
    since: Instant,
    /// Who has brought it.
    by: Thread,
    lent: Lent,
}

/// A thread, as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thread(usize);

impl Thread {
    fn current() -> Self {
        thread_local! {
            static HERE: u8 = const { 0 };
        }
        HERE.with(|here| Self(std::ptr::from_ref(here).addr()))
    }
}

/// How many of the last ones are looked at for one that the same thread has brought.
const LOOKED_AT: usize = 8;

/// The instances of one component that wait.
pub(crate) struct Shelf {
    keeping: Keeping,
    waiting: Mutex<Waiting>,
    itself: Weak<Self>,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which they came.
    instances: Vec<Kept>,
    /// Whether there is a task that sorts out those whose time is over.
    is_sorted_out: bool,
}

impl Shelf {
    /// None where nothing is kept.
    pub(crate) fn new(keeping: Keeping) -> Option<Arc<Self>> {
        keeping.keeps_any().then(|| {
            Arc::new_cyclic(|itself| Self {
                keeping,
                waiting: Mutex::default(),
                itself: itself.clone(),
            })
        })
    }

    /// An instance that has served before: the last one that came from this thread, whose memory and stack are
    /// in the caches of its core, or else the last one.
    pub(crate) fn take(&self) -> Option<Lent> {
        let here = Thread::current();
        let mut waiting = self.waiting.lock();
        let instances = &mut waiting.instances;
        let last = instances.len().checked_sub(1)?;
        let looked_at = instances.iter().enumerate().rev().take(LOOKED_AT);
        let own = looked_at.into_iter().find(|(_, kept)| kept.by == here);
        let taken = own.map_or(last, |(at, _)| at);
        Some(instances.remove(taken).lent)
    }

    /// As whom its instances come back.
    pub(crate) fn home(&self) -> Weak<dyn Home> {
        Weak::clone(&self.itself) as Weak<dyn Home>
    }

    /// Drops all that wait.
    pub(crate) fn clear(&self) {
        let _dropped_unlocked = std::mem::take(&mut self.waiting.lock().instances);
    }

    /// Drops those whose time is over; the time at which the next one's is, if there is one.
    fn sort_out(&self) -> Option<Instant> {
        let mut waiting = self.waiting.lock();
        let now = Instant::now();
        let is_over = |kept: &Kept| kept.since + self.keeping.idle_max <= now;
        let over = waiting.instances.partition_point(is_over);
        let dropped: Vec<_> = waiting.instances.drain(..over).collect();
        let next = waiting.instances.first();
        let next = next.map(|kept| kept.since + self.keeping.idle_max);
        waiting.is_sorted_out = next.is_some();
        drop(waiting);
        // Only now: to unmap memory takes its time.
        drop(dropped);
        next
    }
}

impl Home for Shelf {
    fn take_back(&self, lent: Lent) {
        if lent.served() >= self.keeping.invocations_max {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.instances.len() >= self.keeping.instances_max {
            drop(waiting);
            return;
        }
        waiting.instances.push(Kept {
            since: Instant::now(),
            by: Thread::current(),
            lent,
        });
        if waiting.is_sorted_out {
            return;
        }
        waiting.is_sorted_out = true;
        drop(waiting);
        let (shelf, mut next) = (
            Weak::clone(&self.itself),
            Instant::now() + self.keeping.idle_max,
        );
        tokio::spawn(async move {
            loop {
                tokio::time::sleep_until(next).await;
                let shelf = shelf.upgrade();
                match shelf.and_then(|shelf| shelf.sort_out()) {
                    Some(later) => next = later,
                    None => return,
                }
            }
        });
    }
}

/// The shelves of one engine, whose pool all of their instances take room of.
#[derive(Default)]
pub(crate) struct Shelves(Mutex<Vec<Weak<Shelf>>>);

impl Shelves {
    pub(crate) fn add(&self, shelf: &Arc<Shelf>) {
        let mut shelves = self.0.lock();
        shelves.retain(|shelf| shelf.strong_count() > 0);
        shelves.push(Arc::downgrade(shelf));
    }

    /// Gives up all that wait: somebody needs the room.
    pub(crate) fn clear(&self) {
        let shelves: Vec<_> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        for shelf in shelves {
            shelf.clear();
        }
    }
}
