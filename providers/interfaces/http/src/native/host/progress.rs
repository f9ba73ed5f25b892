//! The leash of an instance while bodies move.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;
use wrt_contract::until;
use wrt_host::Leash;
use wrt_protocol::limits::STREAM_IDLE_MAX;

/// Lengthens an instance's leash with each piece of a body.
///
/// Until the head of the response the call's budget holds, however fast the request's body comes in.
/// After it the instance may go on until neither body has moved for [`STREAM_IDLE_MAX`], or until the
/// end of its first leash if that is later.
#[derive(Debug)]
pub(super) struct Progress {
    leash: Arc<Leash>,
    streaming: AtomicBool,
    moves: AtomicU64,
    awaited: AtomicBool,
    answered: AtomicBool,
    polled_again: AtomicBool,
}

impl Progress {
    pub(super) fn new(leash: Arc<Leash>) -> Self {
        Self {
            leash,
            streaming: AtomicBool::new(false),
            moves: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            polled_again: AtomicBool::new(false),
        }
    }

    /// The head of the response is there.
    pub(super) fn start_streaming(&self) {
        self.streaming.store(true, Relaxed);
        self.moved();
    }

    /// A piece of a body went through.
    pub(super) fn moved(&self) {
        self.moves.fetch_add(1, Relaxed);
        if self.streaming.load(Relaxed) {
            self.leash
                .move_to(self.leash.end().max(Instant::now() + STREAM_IDLE_MAX));
        }
    }

    /// Whoever reads the response's body has found none of it, or some.
    pub(super) fn set_awaited(&self, awaited: bool) {
        self.awaited.store(awaited, Relaxed);
    }

    /// Whether somebody waits for more of the response's body.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Relaxed)
    }

    /// Whoever called has the whole answer.
    pub(super) fn set_answered(&self) {
        self.answered.store(true, Relaxed);
    }

    /// Whether whoever called has the whole answer, and will hear no more of the guest.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Relaxed)
    }

    /// How many pieces have gone through, of either body.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Relaxed)
    }

    /// Polls a guest, which is polled once more in this turn of its task if it has to wait. So nobody has to
    /// be woken for it, and what is to be seen to only when it waits is left until then. Not for a guest
    /// that has a task of its own.
    pub(super) fn poll_in_passing<T>(&self, guest: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.polled_again.store(true, Relaxed);
        let polled = guest(&mut Context::from_waker(Waker::noop()));
        self.polled_again.store(false, Relaxed);
        polled
    }

    /// Whether the guest is polled once more, however this poll ends.
    pub(super) fn is_polled_again(&self) -> bool {
        self.polled_again.load(Relaxed)
    }

    /// Waits until the guest has to wait.
    pub(super) async fn wait(&self) {
        poll_fn(|_| match self.is_polled_again() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }

    /// Waits until the instance's time is up. Each request waits for it and few see it, so that there is
    /// no timer for each.
    pub(super) async fn over(&self) {
        self.wait().await;
        while !self.leash.is_over() {
            let _up_unless_moved = until(self.leash.end(), pending::<()>()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_response_under_way_lengthens_the_leash() {
        let start = Instant::now();
        let progress = Progress::new(Arc::new(Leash::until(start + Duration::from_secs(10))));
        tokio::time::advance(Duration::from_secs(5)).await;
        progress.moved();
        assert_eq!(progress.leash.end(), start + Duration::from_secs(10));
        progress.start_streaming();
        assert_eq!(
            progress.leash.end(),
            start + Duration::from_secs(5) + STREAM_IDLE_MAX
        );
        progress.over().await;
        assert!(start.elapsed() >= Duration::from_secs(5) + STREAM_IDLE_MAX);
    }
}
