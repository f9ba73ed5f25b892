//! How many messages of a subscription are taken: no more than there are permits for at its component, so that
//! what is too much for that stays with the broker.
//!
//! ```text
//! may be in hand = what is surely counted in the reports + this one's share of what they say is free
//! ```
//!
//! Reports are late. What has been in hand for as long as they may be late is counted as busy in them; what
//! was taken since then may not be, and taking it for counted would take its permit twice. So those who share a
//! component's permits never have more in hand together than it has, whatever they do in between: each adds its
//! part of what is free to what is its own already. A replica on this node is asked itself, and nothing is late.
//!
//! One message may always be in hand: so no subscription starves behind others, and one whose component is
//! nowhere sees it come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use wrt_runtime::{Capacity, Vacancy};

/// How often it is looked whether there is room, where nothing of this subscription has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is in hand of one subscription on this node.
pub(crate) struct Admission {
    capacity: Arc<dyn Capacity>,
    /// Messages with the handler.
    handed: AtomicU32,
    lately: Mutex<Lately>,
    freed: Notify,
}

/// The least that was in hand for a time: in two parts, so that what is too old can be forgotten.
#[derive(Debug)]
struct Lately {
    before: u32,
    now: u32,
    since: Instant,
}

impl Lately {
    fn least(&mut self, handed: u32, within: Duration) -> u32 {
        self.now = self.now.min(handed);
        if self.since.elapsed() >= within {
            (self.before, self.now, self.since) = (self.now, handed, Instant::now());
        }
        self.before.min(self.now)
    }
}

/// How many may be in hand, where `counted` of them are busy in what is said of the component.
fn bound(vacancy: &Vacancy, counted: u32) -> u32 {
    let bound = i64::from(counted).saturating_add(vacancy.share());
    let most = i64::from(vacancy.permits.max(1));
    u32::try_from(bound.clamp(1, most)).unwrap_or(1)
}

impl Admission {
    pub(crate) fn new(capacity: Arc<dyn Capacity>) -> Arc<Self> {
        let lately = Lately {
            before: 0,
            now: 0,
            since: Instant::now(),
        };
        Arc::new(Self {
            capacity,
            handed: AtomicU32::new(0),
            lately: Mutex::new(lately),
            freed: Notify::new(),
        })
    }

    /// How many may be in hand now.
    fn bound(&self) -> u32 {
        let Some(vacancy) = self.capacity.now() else {
            return u32::MAX;
        };
        let handed = self.handed.load(Relaxed);
        let counted = match vacancy.stale_by.is_zero() {
            true => handed,
            false => self.lately.lock().least(handed, vacancy.stale_by),
        };
        bound(&vacancy, counted)
    }

    /// One is with the handler, until this is dropped.
    pub(crate) fn hand(&self) -> Handed<'_> {
        self.handed.fetch_add(1, Relaxed);
        Handed(self)
    }
}

/// A message with its handler.
pub(crate) struct Handed<'a>(&'a Admission);

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        let left = self.0.handed.fetch_sub(1, Relaxed).saturating_sub(1);
        let mut lately = self.0.lately.lock();
        lately.now = lately.now.min(left);
    }
}

/// The places in hand of a subscription, or of one of its parts. Cheap to clone.
#[derive(Clone)]
pub struct Places {
    most: Arc<Semaphore>,
    /// A part that waits for messages holds places that another has messages for: so each has its share.
    parts: u32,
    taken: Arc<AtomicU32>,
    admission: Arc<Admission>,
}

/// A message's place in hand, or that of one which was asked for. Given up when it is dropped.
pub struct PlaceInHand {
    places: Places,
    _permit: OwnedSemaphorePermit,
}

impl Drop for PlaceInHand {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Relaxed);
        self.places.admission.freed.notify_waiters();
    }
}

impl Places {
    pub(crate) fn new(most: usize, parts: usize, admission: &Arc<Admission>) -> Self {
        Self {
            most: Arc::new(Semaphore::new(most)),
            parts: u32::try_from(parts).unwrap_or(u32::MAX).max(1),
            taken: Arc::default(),
            admission: Arc::clone(admission),
        }
    }

    /// A place, as soon as there is one.
    ///
    /// # Cancel safety
    /// Dropping the future takes none.
    pub async fn take(&self) -> PlaceInHand {
        let permit = Arc::clone(&self.most).acquire_owned().await;
        let permit = permit.expect("nobody closes it");
        loop {
            let freed = self.admission.freed.notified();
            if self.is_taken() {
                return self.place(permit);
            }
            let _look_again = timeout(LOOK_EVERY, freed).await;
        }
    }

    /// A place, if there is one.
    #[must_use]
    pub fn try_take(&self) -> Option<PlaceInHand> {
        let permit = Arc::clone(&self.most).try_acquire_owned().ok()?;
        self.is_taken().then(|| self.place(permit))
    }

    fn is_taken(&self) -> bool {
        let bound = (self.admission.bound() / self.parts).max(1);
        let one_more = |taken| (taken < bound).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    /// Waits until none of `all` is taken.
    pub(crate) async fn are_free(&self, all: u32) {
        let _all = self.most.acquire_many(all).await;
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> PlaceInHand {
        PlaceInHand {
            places: self.clone(),
            _permit: permit,
        }
    }
}

#[cfg(test)]
mod tests;
