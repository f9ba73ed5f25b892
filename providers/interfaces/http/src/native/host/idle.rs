//! Whether the event loop of a guest of 0.3 has come to rest.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU8, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

/// How often the closure of `run_concurrent` is polled in one look at a loop that rests.
const POLLS_AT_REST: u32 = 2;

/// How often a loop is looked at in one go. One that goes on waking itself lets others run, as any task
/// does.
const LOOKS_MAX: u32 = 16;

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
///
/// A loop that was woken while it was looked at is looked at again at once. A guest and its host tell each
/// other everything by wakers: that the answer is here, that its body was taken, that nothing is left to
/// do. To the runtime each of those is a task that has to run once more: it goes to the end of a queue, and
/// another thread is got up for it. Here it costs a flag, and a call of a guest that waits for nobody is
/// over when it is polled for the first time.
#[derive(Default)]
pub(super) struct Idle {
    /// Polls of the closure in this look.
    polls: AtomicU32,
    /// Whether the loop is being looked at, and has been woken.
    state: AtomicU8,
    rests: AtomicBool,
    /// How often it has gone on from rest.
    spells: AtomicU64,
    task: AtomicWaker,
}

/// The loop is being looked at, and whoever does so sees that it is woken.
const IS_LOOKED_AT: u8 = 1;
/// It has been woken since the last look began.
const IS_WOKEN: u8 = 2;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Written in any case, so that the next look sees what was done before it was woken.
        if self.state.fetch_or(IS_WOKEN, AcqRel) == 0 {
            self.task.wake();
        }
    }
}

impl Idle {
    /// What goes on in the closure of `run_concurrent`.
    pub(super) async fn closure<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|cx| {
            self.polls.fetch_add(1, Relaxed);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// `run_concurrent` itself. A loop that seems to rest is left at that while it `is_polled_again`.
    pub(super) async fn watch<T>(
        self: &Arc<Self>,
        mut run: Pin<&mut impl Future<Output = T>>,
        is_polled_again: impl Fn() -> bool,
    ) -> T {
        let waker = Waker::from(Arc::clone(self));
        poll_fn(|cx| {
            self.task.register(cx.waker());
            let mut has_seemed_to_rest = false;
            for _ in 0..LOOKS_MAX {
                self.polls.store(0, Relaxed);
                self.state.swap(IS_LOOKED_AT, AcqRel);
                let looked = run.as_mut().poll(&mut Context::from_waker(&waker));
                if looked.is_ready() {
                    return looked;
                }
                let was_woken = self.state.load(Acquire) & IS_WOKEN != 0;
                let polls = self.polls.load(Relaxed);
                let seems_to_rest = polls >= POLLS_AT_REST && !was_woken;
                let is_second_look = mem::replace(&mut has_seemed_to_rest, seems_to_rest);
                if !(seems_to_rest && is_polled_again()) {
                    if seems_to_rest && !is_second_look {
                        continue;
                    }
                    let has_come_to_rest = self.tell(seems_to_rest && polls == POLLS_AT_REST);
                    // Whoever waits for its rest does so in the closure.
                    if was_woken || has_come_to_rest {
                        continue;
                    }
                }
                let waits = self
                    .state
                    .compare_exchange(IS_LOOKED_AT, 0, AcqRel, Acquire);
                if waits.is_ok() {
                    return Poll::Pending;
                }
            }
            self.tell(false);
            self.state.swap(0, AcqRel);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// Notes whether the loop rests; whether it has come to rest just now.
    fn tell(&self, rests: bool) -> bool {
        let rested = self.rests.swap(rests, Relaxed);
        if rested && !rests {
            self.spells.fetch_add(1, Relaxed);
        }
        rests && !rested
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

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::atomic::Ordering::SeqCst, time::Duration};

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    async fn watched<T>(work: impl Future<Output = T>) -> T {
        Arc::<Idle>::default().watch(pin!(work), || false).await
    }

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Polls `work` once; what came of it, and how often its task was woken meanwhile.
    fn poll_once<T>(work: impl Future<Output = T>) -> (Poll<T>, u32) {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let polled = pin!(work).poll(&mut Context::from_waker(&waker));
        (polled, woken.0.load(SeqCst))
    }

    /// Is ready after it has woken itself so many times.
    fn wakes_itself(mut times: u32) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            if times == 0 {
                return Poll::Ready(());
            }
            times -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn a_loop_that_wakes_itself_is_over_in_one_go_and_only_so_long() {
        for (times, expected) in [
            (0, (Poll::Ready(()), 0)),
            (5, (Poll::Ready(()), 0)),
            (LOOKS_MAX - 1, (Poll::Ready(()), 0)),
            (LOOKS_MAX, (Poll::Pending, 1)),
            (u32::MAX, (Poll::Pending, 1)),
        ] {
            assert_eq!(poll_once(watched(wakes_itself(times))), expected);
        }
        assert_eq!(poll_once(wakes_itself(5)), (Poll::Pending, 1));
    }

    /// What is polled as wasmtime polls the closure of a loop that rests.
    #[tokio::test]
    async fn whoever_waits_for_rest_hears_of_it_in_the_same_go() {
        let idle = &Arc::<Idle>::default();
        let mut rest = pin!(idle.rest());
        let mut closure = pin!(idle.closure(rest.as_mut()));
        let run = poll_fn(|cx| match closure.as_mut().poll(cx) {
            Poll::Pending => closure.as_mut().poll(cx),
            ready => ready,
        });
        let mut run = pin!(run);
        let seems_to_rest = idle.watch(run.as_mut(), || true);
        assert_eq!(poll_once(seems_to_rest), (Poll::Pending, 0));
        let rests = idle.watch(run, || false);
        assert_eq!(poll_once(rests), (Poll::Ready(()), 0));
    }

    #[tokio::test]
    async fn a_loop_that_waits_for_somebody_does_not_rest() {
        let idle = &Arc::<Idle>::default();
        let mut rest = pin!(idle.rest());
        let run = pin!(idle.closure(rest.as_mut()));
        assert_eq!(poll_once(idle.watch(run, || false)), (Poll::Pending, 0));
        assert_eq!(idle.spell(), None);
    }

    /// Woken by another thread at any time, also between two looks.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_wake_up_is_lost() {
        let (sender, mut receiver) = mpsc::channel(1);
        let reads = tokio::spawn(watched(async move {
            let mut read = 0_u32;
            while receiver.recv().await.is_some() {
                read += 1;
            }
            read
        }));
        let writes = (0..4).map(|_| {
            let sender = sender.clone();
            tokio::spawn(watched(async move {
                for _ in 0..10_000 {
                    sender.send(()).await.unwrap();
                }
            }))
        });
        let writes = futures::future::join_all(writes);
        drop(sender);
        let all = async { (writes.await, reads.await.unwrap()) };
        let (_, read) = tokio::time::timeout(Duration::from_secs(60), all)
            .await
            .expect("somebody waits for ever");
        assert_eq!(read, 40_000);
    }

    #[tokio::test]
    async fn whoever_polls_it_last_is_woken() {
        let (sender, receiver) = oneshot::channel();
        let mut work = Box::pin(watched(receiver));
        assert!(poll_once(work.as_mut()).0.is_pending());
        let elsewhere = tokio::spawn(work);
        tokio::task::yield_now().await;
        sender.send(7).unwrap();
        assert_eq!(elsewhere.await.unwrap(), Ok(7));
    }
}
