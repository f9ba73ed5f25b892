//! The deadlines of calls, watched together.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use futures::FutureExt;
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use slab::Slab;
use tokio::{runtime, sync::Notify, time::Instant};

/// Waits for `work`, at most until `deadline`; none when that comes first. The work is polled once even
/// then. For what is made many times and seldom late: it costs no timer of its own.
///
/// # Panics
/// Outside a tokio runtime, once `work` has to be waited for.
pub fn until<T>(
    deadline: Instant,
    work: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    Until::new(Some(deadline), work)
}

pin_project! {
    /// As [`until`], where there may be no deadline.
    pub(crate) struct Until<F> {
        deadline: Option<Instant>,
        #[pin]
        work: F,
        seat: Option<Seat>,
    }
}

impl<F> Until<F> {
    pub(crate) fn new(deadline: Option<Instant>, work: F) -> Self {
        Self {
            deadline,
            work,
            seat: None,
        }
    }
}

impl<F: Future> Future for Until<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(answer) = this.work.poll(task) {
            return Poll::Ready(Some(answer));
        }
        if let Some(seat) = this.seat {
            return seat.poll_over(task).map(|()| None);
        }
        *this.seat = this.deadline.map(|deadline| Seat::take(deadline, task));
        Poll::Pending
    }
}

/// The calls that have begun to wait on one thread of one runtime, and one timer for all of them, set
/// to the earliest deadline.
///
/// A timer of its own would cost a call more than all else that a link and a gate do: it is put into
/// a wheel and taken out again under a lock that all threads share, and it is aligned to two cache
/// lines, with the future that it lies in. Here most calls only pass by: the timer stays where it is
/// as long as nobody comes with an earlier deadline, and moves on when it goes off.
struct Deadlines {
    runtime: runtime::Id,
    calls: Mutex<Calls>,
    earlier: Arc<Notify>,
    /// The watch has ended, with its runtime: nobody looks any more.
    is_over: AtomicBool,
}

#[derive(Default)]
struct Calls {
    /// As many as are admitted.
    waiting: Slab<Waiting>,
    /// When the timer goes off; none when it is not set.
    looked_at: Option<Instant>,
}

struct Waiting {
    deadline: Instant,
    /// None once its time is up.
    task: Option<Waker>,
}

thread_local! {
    static HERE: RefCell<Option<Arc<Deadlines>>> = const { RefCell::new(None) };
}

impl Deadlines {
    /// Those of this thread.
    fn here() -> Arc<Self> {
        let runtime = runtime::Handle::current();
        HERE.with_borrow_mut(|here| match here {
            Some(here) if here.runtime == runtime.id() && !here.is_over.load(Relaxed) => {
                Arc::clone(here)
            }
            _ => Arc::clone(here.insert(Self::watched(&runtime))),
        })
    }

    fn watched(runtime: &runtime::Handle) -> Arc<Self> {
        let deadlines = Arc::new(Self {
            runtime: runtime.id(),
            calls: Mutex::default(),
            earlier: Arc::default(),
            is_over: AtomicBool::new(false),
        });
        let earlier = Arc::clone(&deadlines.earlier);
        runtime.spawn(watch(Watch(Arc::downgrade(&deadlines)), earlier));
        deadlines
    }

    /// Ends what is over, and sets the timer to the next deadline.
    fn look(&self) {
        let now = Instant::now();
        let mut over = Vec::new();
        {
            let mut calls = self.calls.lock();
            let mut next: Option<Instant> = None;
            for (_, call) in &mut calls.waiting {
                if call.deadline <= now {
                    over.extend(call.task.take());
                } else {
                    next = Some(next.map_or(call.deadline, |next| next.min(call.deadline)));
                }
            }
            calls.looked_at = next;
        }
        over.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        self.earlier.notify_one();
    }
}

/// Ends with the thread whose deadlines they are, or with the runtime.
async fn watch(watch: Watch, earlier: Arc<Notify>) {
    loop {
        let Some(next) = watch.0.upgrade().map(|it| it.calls.lock().looked_at) else {
            return;
        };
        let earlier = earlier.notified();
        let is_up = match next {
            Some(next) => tokio::time::timeout_at(next, earlier).await.is_err(),
            None => earlier.map(|()| false).await,
        };
        // Not before: the call that it was set for may have ended, but the next one is not far behind,
        // and passes by a timer that is set.
        if is_up && let Some(deadlines) = watch.0.upgrade() {
            deadlines.look();
        }
    }
}

/// Says so when the watch has ended.
struct Watch(Weak<Deadlines>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(deadlines) = self.0.upgrade() {
            deadlines.is_over.store(true, Relaxed);
        }
    }
}

/// A call's place among those that wait; left when dropped.
struct Seat {
    of: Arc<Deadlines>,
    number: usize,
}

impl Seat {
    fn take(deadline: Instant, task: &Context<'_>) -> Self {
        let of = Deadlines::here();
        let mut calls = of.calls.lock();
        let number = calls.waiting.insert(Waiting {
            deadline,
            task: Some(task.waker().clone()),
        });
        let is_earlier = calls.looked_at.is_none_or(|at| deadline < at);
        if is_earlier {
            calls.looked_at = Some(deadline);
        }
        drop(calls);
        if is_earlier {
            of.earlier.notify_one();
        }
        Self { of, number }
    }

    /// Ready when its time is up.
    fn poll_over(&self, task: &Context<'_>) -> Poll<()> {
        let mut calls = self.of.calls.lock();
        let Some(Some(known)) = calls
            .waiting
            .get_mut(self.number)
            .map(|call| &mut call.task)
        else {
            return Poll::Ready(());
        };
        if !known.will_wake(task.waker()) {
            let other = std::mem::replace(known, task.waker().clone());
            // What is dropped with it may leave a seat of its own.
            drop(calls);
            drop(other);
        }
        Poll::Pending
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.of.calls.lock().waiting.try_remove(self.number);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use futures::future::join;

    use super::*;

    fn after(budget: Duration) -> Until<future::Pending<()>> {
        Until::new(Some(Instant::now() + budget), future::pending())
    }

    fn waiting() -> usize {
        HERE.with_borrow(|here| {
            here.as_ref()
                .map_or(0, |here| here.calls.lock().waiting.len())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn each_ends_at_its_own_deadline() {
        let began = Instant::now();
        let ends = async |millis| {
            assert_eq!(after(Duration::from_millis(millis)).await, None);
            began.elapsed().as_millis()
        };
        // The later one first: the timer has to be set anew for the earlier one.
        let (late, early) = join(ends(5_000), ends(20)).await;
        assert!((20..=22).contains(&early), "{early}");
        assert!((5_000..=5_002).contains(&late), "{late}");
        let again = ends(1_000).await;
        assert!((6_000..=6_004).contains(&again), "{again}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_is_the_answer_also_when_time_is_up() {
        let over = Instant::now() - Duration::from_secs(1);
        assert_eq!(Until::new(Some(over), future::ready(7)).await, Some(7));
        assert_eq!(Until::new(None, future::ready(7)).await, Some(7));
        assert_eq!(after(Duration::ZERO).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_keeps_no_place() {
        let mut left: Vec<_> = (0..100).map(|_| after(Duration::from_secs(9))).collect();
        for call in &mut left {
            assert_eq!(call.now_or_never(), None);
        }
        assert_eq!(waiting(), 100);
        drop(left);
        assert_eq!(waiting(), 0);
    }

    /// Polled by another task than the one that began it, which is then the one to wake.
    #[tokio::test(start_paused = true)]
    async fn whoever_polled_last_is_woken() {
        let mut call = Box::pin(after(Duration::from_millis(50)));
        assert_eq!((&mut call).now_or_never(), None);
        let there = tokio::spawn(call);
        assert_eq!(there.await.unwrap(), None);
    }

    /// A thread goes from one runtime to the next, as those of tests do.
    #[test]
    fn a_runtime_that_is_gone_takes_its_timer_along() {
        for _ in 0..3 {
            let runtime = runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            let over = runtime.block_on(after(Duration::from_millis(5)));
            assert_eq!(over, None);
        }
    }

    /// Of many calls with the same budget the first sets the timer, and the others pass by.
    #[tokio::test(start_paused = true)]
    async fn the_timer_stays_where_it_is() {
        let first = Instant::now() + Duration::from_secs(1);
        for _ in 0..10 {
            assert_eq!(after(Duration::from_secs(1)).now_or_never(), None);
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        let set = HERE.with_borrow(|here| here.as_ref().map(|here| here.calls.lock().looked_at));
        assert_eq!(set, Some(Some(first)));
    }
}
