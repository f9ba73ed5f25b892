//! Whether the event loop of a guest of 0.3 has come to rest.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

/// How often the closure of `run_concurrent` is polled in one look at a loop that rests.
const POLLS_AT_REST: u32 = 2;

/// Knows whether the event loop of an instance rests: no task of the guest can run, and it waits for
/// nothing of the host, no clock, no answer, no body. What then still waits, waits for ever, unless the
/// host wakes it from outside of the loop.
///
/// `run_concurrent` does not tell. It once failed there with `Trap::AsyncDeadlock`, and still has that
/// for calls of its own; for others it only goes on to wait, since some hosts bring new work from
/// outside. But it shows: when nothing is left that could be polled, it polls the closure once more,
/// for the case that the last thing to end has freed it, and then waits. So a look at a loop in which
/// nothing has happened polls the closure twice if the loop rests, and once, or not at all while a guest
/// is suspended in the middle of something, if it does not. Where a poll was more than one, it is
/// looked a second time; that nothing has happened in between is known by the waker, which is this.
///
/// Should a later wasmtime poll otherwise, rest is not seen, guests wait until their time is up, and
/// the tests say so.
#[derive(Default)]
pub(super) struct Idle {
    /// Polls of the closure in this look.
    polls: AtomicU32,
    woken: AtomicBool,
    rests: AtomicBool,
    /// How often it has gone on from rest.
    spells: AtomicU64,
    task: AtomicWaker,
}

impl Wake for Idle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Relaxed);
        self.task.wake();
    }
}

impl Idle {
    /// What goes on in the closure of `run_concurrent`.
    pub(super) async fn closure<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.polls.fetch_add(1, Relaxed);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// `run_concurrent` itself.
    pub(super) async fn watch<T>(self: &Arc<Self>, run: impl Future<Output = T>) -> T {
        let mut run = pin!(run);
        let waker = Waker::from(Arc::clone(self));
        poll_fn(|cx| {
            self.task.register(cx.waker());
            self.woken.store(false, Relaxed);
            let mut look = || {
                self.polls.store(0, Relaxed);
                run.as_mut().poll(&mut Context::from_waker(&waker))
            };
            let may_rest = || {
                let (polls, woken) = (self.polls.load(Relaxed), self.woken.load(Relaxed));
                (polls, woken)
            };
            if let Poll::Ready(ended) = look() {
                return Poll::Ready(ended);
            }
            let mut rests = matches!(may_rest(), (POLLS_AT_REST.., false));
            if rests {
                if let Poll::Ready(ended) = look() {
                    return Poll::Ready(ended);
                }
                rests = may_rest() == (POLLS_AT_REST, false);
            }
            self.tell(rests);
            Poll::Pending
        })
        .await
    }

    fn tell(&self, rests: bool) {
        let rested = self.rests.swap(rests, Relaxed);
        if rests && !rested {
            // Whoever waits for it does so in the closure.
            self.task.wake();
        }
        if rested && !rests {
            self.spells.fetch_add(1, Relaxed);
        }
    }

    /// Waits until the loop rests. Only within the closure.
    pub(super) async fn rest(&self) {
        poll_fn(|_| match self.rests.load(Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Which rest this is; none while the loop does not rest.
    pub(super) fn spell(&self) -> Option<u64> {
        let rests = self.rests.load(Relaxed);
        rests.then(|| self.spells.load(Relaxed))
    }
}
