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
//!
//! A request costs a few atomic counts here. Whoever finds no place looks through all of them.

use std::{
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Waker},
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Duration, Instant, timeout},
};
use wrt_http::HttpError;

use crate::limits::{IDLE_LOOK_INTERVAL, UNUSED_PATIENCE};

/// In a place's count of requests: its connection ends, and takes no more of them.
const CLOSING: usize = 1 << (usize::BITS - 1);

/// In the same: a request was written, and its answer has not begun.
const UNANSWERED: usize = 1 << (usize::BITS - 2);

/// The places of all connections of a client.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// Those that are taken; no more than there are places.
    taken: Mutex<Vec<Weak<Place>>>,
    /// Who waits for a place.
    waiting: AtomicUsize,
    /// A connection has become idle.
    became_idle: Notify,
    origin: Instant,
}

/// The place of one connection. Shared between the connection, which ends when it is closed, and the
/// requests on it.
pub(crate) struct Place {
    places: Arc<Places>,
    /// Requests on the connection, [`CLOSING`] and [`UNANSWERED`].
    requests: AtomicUsize,
    /// Since when it has none, in microseconds of `places`.
    idle_since_micros: AtomicU64,
    /// Woken once, to close the connection.
    reader: AtomicWaker,
}

/// What the connection itself holds: the place is free again when this is dropped.
pub(crate) struct Held {
    place: Arc<Place>,
    /// Who waits there: mostly the same one.
    reader: Option<Waker>,
    _permit: OwnedSemaphorePermit,
}

/// A request on a connection, or the body of its response.
pub(crate) struct InUse(Arc<Place>);

/// Who waits for a place, also when its future is dropped.
struct Waiting<'a>(&'a Places);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(max)),
            taken: Mutex::default(),
            waiting: AtomicUsize::new(0),
            became_idle: Notify::new(),
            origin: Instant::now(),
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
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(self.held(permit));
        }
        self.waiting.fetch_add(1, SeqCst);
        let _waiting = Waiting(self);
        let mut free = pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            // From before the look, so that nothing becomes idle unseen.
            let became_idle = self.became_idle.notified();
            self.close_oldest();
            let permit = tokio::select! {
                biased;
                permit = &mut free => permit,
                _ = timeout(IDLE_LOOK_INTERVAL, became_idle) => continue,
            };
            let permit = permit.map_err(|_closed| HttpError::ConnectionLimitReached)?;
            return Ok(self.held(permit));
        }
    }

    fn held(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Held {
        let place = Arc::new(Place {
            places: Arc::clone(self),
            // Until it is made, it is its request's.
            requests: AtomicUsize::new(1),
            idle_since_micros: AtomicU64::new(0),
            reader: AtomicWaker::new(),
        });
        let mut taken = self.taken.lock();
        if taken.len() == taken.capacity() {
            taken.retain(|place| place.strong_count() > 0);
        }
        taken.push(Arc::downgrade(&place));
        Held {
            place,
            reader: None,
            _permit: permit,
        }
    }

    /// Closes the connection that has been idle for longest, if one is.
    fn close_oldest(&self) {
        let now = self.micros(Duration::ZERO);
        let oldest = {
            let mut taken = self.taken.lock();
            taken.retain(|place| place.strong_count() > 0);
            let idle = taken.iter().filter_map(Weak::upgrade).filter_map(|place| {
                let since = place.idle_since_micros.load(SeqCst);
                (place.requests.load(SeqCst) == 0 && since <= now).then_some((since, place))
            });
            idle.min_by_key(|(since, _)| *since)
        };
        // Whoever uses it meanwhile keeps it, and who waits looks again.
        if let Some((_, place)) = oldest
            && let Ok(_idle) = place.requests.compare_exchange(0, CLOSING, SeqCst, SeqCst)
        {
            place.reader.wake();
        }
    }

    /// The moment after `later`.
    fn micros(&self, later: Duration) -> u64 {
        let micros = (self.origin.elapsed() + later).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

impl Place {
    /// Counts a request on the connection.
    pub(crate) fn used(self: &Arc<Self>) -> InUse {
        self.requests.fetch_add(1, SeqCst);
        InUse(Arc::clone(self))
    }

    /// Counts the answer that has begun, instead of the request that was written for it.
    pub(crate) fn answered(self: &Arc<Self>) -> InUse {
        let in_use = self.used();
        self.requests.fetch_and(!UNANSWERED, SeqCst);
        in_use
    }

    fn is_closing(&self) -> bool {
        self.requests.load(SeqCst) & CLOSING != 0
    }

    /// One request less; without any it may be closed `later`.
    fn let_go(&self, later: Duration) {
        let since = self.places.micros(later);
        self.idle_since_micros.store(since, SeqCst);
        let was_last = self.requests.fetch_sub(1, SeqCst) == 1;
        if was_last && self.places.waiting.load(SeqCst) > 0 {
            self.places.became_idle.notify_waiters();
        }
    }
}

impl Held {
    /// The connection is there. Whoever it was made for uses it at once; but another connection may
    /// have come first, and then nobody may ever use this one.
    pub(crate) fn is_made(&self) {
        self.place.let_go(UNUSED_PATIENCE);
    }

    /// Something was written on a connection of HTTP/1, which is always for a request: it is in use until
    /// its answer has been read. Where the rest of a request is written behind the end of its answer,
    /// the connection counts as in use until the next one, or until the pool finds it idle for too
    /// long.
    pub(crate) fn wrote(&self) {
        if self.place.requests.load(Relaxed) & UNANSWERED == 0 {
            self.place.requests.fetch_or(UNANSWERED, SeqCst);
        }
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Whether the connection is to end; if not, whoever polls is woken when it is.
    pub(crate) fn poll_closing(&mut self, cx: &Context<'_>) -> bool {
        let is_known = |reader: &Waker| reader.will_wake(cx.waker());
        if !self.reader.as_ref().is_some_and(is_known) {
            self.place.reader.register(cx.waker());
            self.reader = Some(cx.waker().clone());
        }
        self.place.is_closing()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.place.is_closing()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.let_go(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, task::noop_waker};

    use super::*;

    fn closing(held: &mut Held) -> bool {
        held.poll_closing(&Context::from_waker(&noop_waker()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_is_idle_for_longest_goes() {
        let places = Places::new(2);
        let (mut first, mut second) = (places.take().await.unwrap(), places.take().await.unwrap());
        for held in [&first, &second] {
            held.is_made();
            drop(held.place().used());
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(first.place().used());
        assert!(places.take().now_or_never().is_none());
        assert!(!closing(&mut first) && closing(&mut second));
        drop(second);
        let _third = places.take().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_becomes_idle_while_somebody_waits_goes() {
        let places = Places::new(1);
        let mut held = places.take().await.unwrap();
        held.is_made();
        let (first, second) = (held.place().used(), held.place().used());
        let mut next = Box::pin(places.take());
        assert!((&mut next).now_or_never().is_none());
        drop(first);
        assert!((&mut next).now_or_never().is_none());
        assert!(!closing(&mut held), "it still has a request");
        drop(second);
        assert!((&mut next).now_or_never().is_none());
        assert!(closing(&mut held));
        drop(held);
        next.await.unwrap();
    }

    /// A connection that came second in a race, and that nobody uses.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_never_used_goes_after_a_while() {
        let places = Places::new(1);
        let mut held = places.take().await.unwrap();
        held.is_made();
        let next = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await.map(drop) }
        });
        tokio::time::sleep(UNUSED_PATIENCE / 2).await;
        assert!(!closing(&mut held), "it may have come just now");
        tokio::time::sleep(UNUSED_PATIENCE / 2 + IDLE_LOOK_INTERVAL + Duration::from_millis(1))
            .await;
        assert!(closing(&mut held));
        drop(held);
        next.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_for_its_answer_stays() {
        let places = Places::new(1);
        let mut held = places.take().await.unwrap();
        held.is_made();
        tokio::time::advance(UNUSED_PATIENCE * 2).await;
        held.wrote();
        held.wrote();
        let mut next = Box::pin(places.take());
        assert!((&mut next).now_or_never().is_none());
        assert!(!closing(&mut held), "it has no answer yet");
        let answer = held.place().answered();
        tokio::time::advance(IDLE_LOOK_INTERVAL * 2).await;
        assert!((&mut next).now_or_never().is_none());
        assert!(!closing(&mut held), "its answer has not ended");
        drop(answer);
        assert!((&mut next).now_or_never().is_none());
        assert!(closing(&mut held));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_is_not_idle() {
        let places = Places::new(1);
        let held = places.take().await.unwrap();
        held.is_made();
        let in_use = held.place().used();
        drop(held);
        drop(in_use);
        places.close_oldest();
        assert!(places.taken.lock().is_empty());
        assert_eq!(places.free(), 1);
    }
}
