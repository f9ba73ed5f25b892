//! Places for connections, and who gives one up for another.
//!
//! ```text
//! being made ─> in use ⇄ idle ─> closing ─> gone
//!     └─ of no use after all ─┘
//! ```
//!
//! The pool keeps idle connections for each host and knows no number for all of them. So a request
//! that finds no place closes the connection that has been idle for longest, whosever it was, and gets
//! its place; it waits only where every connection has a request.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Context,
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use wrt_http::HttpError;

use crate::limits::{IDLE_LOOK_INTERVAL, UNUSED_PATIENCE};

/// The places of all connections of a client.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
    /// A connection has become idle.
    became_idle: Notify,
}

#[derive(Default)]
struct Idle {
    /// Those without a request, by since when; the number tells those of one moment apart.
    by_age: BTreeMap<Age, Arc<Place>>,
    last: u64,
}

type Age = (Instant, u64);

/// The place of one connection. Shared between the connection, which ends when it is closed, and the
/// requests on it.
pub(crate) struct Place {
    places: Arc<Places>,
    use_of_it: Mutex<Use>,
    is_closing: AtomicBool,
    reader: AtomicWaker,
}

#[derive(Default)]
struct Use {
    requests: usize,
    /// Where it stands among the idle ones.
    idle: Option<Age>,
    /// The connection is no more.
    is_gone: bool,
}

/// What the connection itself holds: the place is free again when this is dropped.
pub(crate) struct Held {
    place: Arc<Place>,
    _permit: OwnedSemaphorePermit,
}

/// A request on a connection, or the body of its response.
pub(crate) struct InUse(Arc<Place>);

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(max)),
            idle: Mutex::default(),
            became_idle: Notify::new(),
        })
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// A place for a connection that is to be made.
    ///
    /// # Cancel safety
    /// Dropping the future may have closed an idle connection, and nothing else.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Held, HttpError> {
        let mut free = pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            // From before the look, so that nothing becomes idle unseen.
            let became_idle = self.became_idle.notified();
            let found = tokio::select! {
                biased;
                permit = &mut free => Some(permit),
                () = std::future::ready(()) => None,
            };
            let found = match found {
                Some(permit) => permit,
                None => {
                    self.close_oldest();
                    tokio::select! {
                        biased;
                        permit = &mut free => permit,
                        _ = timeout(IDLE_LOOK_INTERVAL, became_idle) => continue,
                    }
                }
            };
            let permit = found.map_err(|_closed| HttpError::ConnectionLimitReached)?;
            let place = Arc::new(Place {
                places: Arc::clone(self),
                use_of_it: Mutex::default(),
                is_closing: AtomicBool::new(false),
                reader: AtomicWaker::new(),
            });
            return Ok(Held {
                place,
                _permit: permit,
            });
        }
    }

    /// Closes the connection that has been idle for longest, if one is.
    fn close_oldest(&self) {
        let mut idle = self.idle.lock();
        let oldest = idle.by_age.first_entry();
        let place = match oldest {
            Some(oldest) if oldest.key().0 <= Instant::now() => oldest.remove(),
            _ => return,
        };
        drop(idle);
        place.is_closing.store(true, SeqCst);
        place.reader.wake();
    }
}

impl Place {
    /// Counts a request on the connection.
    pub(crate) fn used(self: &Arc<Self>) -> InUse {
        let mut use_of_it = self.use_of_it.lock();
        use_of_it.requests += 1;
        if let Some(age) = use_of_it.idle.take() {
            self.places.idle.lock().by_age.remove(&age);
        }
        InUse(Arc::clone(self))
    }

    fn set_idle(self: &Arc<Self>, use_of_it: &mut Use, since: Instant) {
        let mut idle = self.places.idle.lock();
        idle.last += 1;
        let age = (since, idle.last);
        idle.by_age.insert(age, Arc::clone(self));
        use_of_it.idle = Some(age);
    }
}

impl Held {
    /// The connection is there. Whoever it was made for uses it at once; but another connection may
    /// have come first, and then nobody may ever use this one.
    pub(crate) fn is_made(&self) {
        let mut use_of_it = self.place.use_of_it.lock();
        if use_of_it.requests == 0 {
            self.place
                .set_idle(&mut use_of_it, Instant::now() + UNUSED_PATIENCE);
        }
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Whether the connection is to end; if not, whoever polls is woken when it is.
    pub(crate) fn poll_closing(&self, cx: &Context<'_>) -> bool {
        self.place.reader.register(cx.waker());
        self.is_closing()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.place.is_closing.load(SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut use_of_it = self.place.use_of_it.lock();
        use_of_it.is_gone = true;
        if let Some(age) = use_of_it.idle.take() {
            self.place.places.idle.lock().by_age.remove(&age);
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Self(place) = self;
        let mut use_of_it = place.use_of_it.lock();
        use_of_it.requests -= 1;
        if use_of_it.requests == 0 && !use_of_it.is_gone {
            place.set_idle(&mut use_of_it, Instant::now());
            place.places.became_idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, task::noop_waker};

    use super::*;

    fn closing(held: &Held) -> bool {
        held.poll_closing(&Context::from_waker(&noop_waker()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_is_idle_for_longest_goes() {
        let places = Places::new(2);
        let (first, second) = (places.take().await.unwrap(), places.take().await.unwrap());
        for held in [&first, &second] {
            held.is_made();
            drop(held.place().used());
        }
        drop(first.place().used());
        assert!(places.take().now_or_never().is_none());
        assert!(!closing(&first) && closing(&second));
        drop(second);
        let _third = places.take().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_becomes_idle_while_somebody_waits_goes() {
        let places = Places::new(1);
        let held = places.take().await.unwrap();
        held.is_made();
        let (first, second) = (held.place().used(), held.place().used());
        let mut next = Box::pin(places.take());
        assert!((&mut next).now_or_never().is_none());
        drop(first);
        assert!((&mut next).now_or_never().is_none());
        assert!(!closing(&held), "it still has a request");
        drop(second);
        assert!((&mut next).now_or_never().is_none());
        assert!(closing(&held));
        drop(held);
        next.await.unwrap();
    }

    /// A connection that came second in a race, and that nobody uses.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_never_used_goes_after_a_while() {
        let places = Places::new(1);
        let held = places.take().await.unwrap();
        held.is_made();
        let next = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await.map(drop) }
        });
        tokio::time::sleep(UNUSED_PATIENCE / 2).await;
        assert!(!closing(&held), "it may have come just now");
        tokio::time::sleep(UNUSED_PATIENCE / 2 + IDLE_LOOK_INTERVAL + Duration::from_millis(1))
            .await;
        assert!(closing(&held));
        drop(held);
        next.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_is_not_idle() {
        let places = Places::new(1);
        let held = places.take().await.unwrap();
        held.is_made();
        let in_use = held.place().used();
        drop(held);
        drop(in_use);
        assert!(places.idle.lock().by_age.is_empty());
        assert_eq!(places.free(), 1);
    }
}
