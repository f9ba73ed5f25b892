//! On which task a guest runs.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;
use tokio::{sync::oneshot, task::JoinError};
use tokio_util::{sync::DropGuard, task::AbortOnDropHandle};
use tracing::Instrument;
use wrt_protocol::{Fault, FaultKind, Hop};

tokio::task_local! {
    /// Set while the event loop of a store is polled, and lost where a task begins.
    static INSIDE_EVENT_LOOP: ();
}

/// A guest at work. It is stopped when this is dropped.
///
/// As a rule it runs on the task of whoever polls it, and costs none of its own. But wasmtime refuses,
/// by a panic, to enter a store's event loop from within another's, and whatever a guest of 0.3 calls is
/// polled inside its own: a co-located callee of 0.3 gets a task. Whether there is such a loop further
/// up is known here alone, whoever and whatever stands between the two guests.
#[derive(Debug)]
#[must_use = "a guest runs while it is polled"]
pub struct GuestRun<T>(Place<T>);

enum Place<T> {
    Here(BoxFuture<'static, T>),
    Apart(AbortOnDropHandle<T>),
    /// In an instance that has others in hand too.
    Elsewhere(oneshot::Receiver<T>, DropGuard),
}

impl<T: Send + 'static> GuestRun<T> {
    pub(crate) fn start(work: BoxFuture<'static, T>, has_event_loop: bool) -> Self {
        if !has_event_loop {
            return Self(Place::Here(work));
        }
        let is_inside = INSIDE_EVENT_LOOP.try_with(|()| ()).is_ok();
        let work = INSIDE_EVENT_LOOP.scope((), work);
        let run = Self(Place::Here(Box::pin(work)));
        if is_inside { run.apart() } else { run }
    }

    /// A guest that runs whether this is polled or not, and tells `ended` how it has ended. It is told to
    /// stop by `stop`.
    pub fn elsewhere(ended: oneshot::Receiver<T>, stop: DropGuard) -> Self {
        Self(Place::Elsewhere(ended, stop))
    }

    /// Whether it runs on the task of whoever polls it.
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self.0, Place::Here(_))
    }

    /// On a task of its own from now on: what is left of a guest when its caller goes on without it.
    pub fn apart(self) -> Self {
        match self.0 {
            Place::Here(work) => {
                let task = tokio::spawn(work.in_current_span());
                Self(Place::Apart(AbortOnDropHandle::new(task)))
            }
            Place::Apart(_) | Place::Elsewhere(..) => self,
        }
    }

    /// Lets it run to its end, whoever has left.
    pub fn detach(self) {
        match self.apart().0 {
            Place::Apart(task) => drop(task.detach()),
            Place::Elsewhere(_, stop) => drop(stop.disarm()),
            Place::Here(_) => {}
        }
    }
}

/// Answers a fault where there is no answer, because the guest's task panicked or the runtime stops.
impl<T> Future for GuestRun<T> {
    type Output = Result<T, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.0 {
            Place::Here(work) => Ok(ready!(work.as_mut().poll(cx))),
            Place::Apart(task) => ready!(Pin::new(task).poll(cx)).map_err(|error| ended(&error)),
            Place::Elsewhere(ended, _) => {
                ready!(Pin::new(ended).poll(cx)).map_err(|_gone| stopped("its instance is gone"))
            }
        })
    }
}

fn ended(error: &JoinError) -> Fault {
    let detail = if error.is_panic() {
        "the guest's task panicked"
    } else {
        "the runtime stops"
    };
    stopped(detail)
}

fn stopped(detail: &str) -> Fault {
    Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, detail)
}

impl<T> std::fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::Apart(_) => "Apart",
            Self::Elsewhere(..) => "Elsewhere",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::id;

    use super::*;

    /// A run inside one of another guest; whether they had the same task.
    async fn share_a_task(outer_has_loop: bool, inner_has_loop: bool) -> bool {
        let outer = async move {
            let inner = GuestRun::start(Box::pin(async { id() }), inner_has_loop);
            (id(), inner.await.unwrap())
        };
        let run = GuestRun::start(Box::pin(outer), outer_has_loop);
        let (outer, inner) = tokio::spawn(run).await.unwrap().unwrap();
        outer == inner
    }

    #[tokio::test]
    async fn only_a_loop_within_a_loop_gets_a_task() {
        for (outer, inner, expected) in [
            (false, false, true),
            (true, false, true),
            (false, true, true),
            (true, true, false),
        ] {
            assert_eq!(
                share_a_task(outer, inner).await,
                expected,
                "{outer} {inner}"
            );
        }
    }

    #[tokio::test]
    async fn a_guest_without_a_loop_does_not_hide_the_one_around_it() {
        let run = GuestRun::start(
            Box::pin(async {
                let between = async {
                    let last = GuestRun::start(Box::pin(async { id() }), true);
                    (id(), last.await.unwrap())
                };
                GuestRun::start(Box::pin(between), false).await.unwrap()
            }),
            true,
        );
        let (between, last) = tokio::spawn(run).await.unwrap().unwrap();
        assert_ne!(between, last);
    }

    #[tokio::test]
    async fn whoever_drops_it_stops_it_and_whoever_lets_it_go_does_not() {
        for detaches in [false, true] {
            let alive = Arc::new(());
            let (held, (tell, mut told)) =
                (Arc::clone(&alive), tokio::sync::mpsc::channel::<()>(1));
            let work = async move {
                let _held = held;
                let _nobody_waits = tell.send(()).await;
                std::future::pending::<()>().await;
            };
            let run = GuestRun::start(Box::pin(work), true).apart();
            told.recv().await.unwrap();
            if detaches {
                run.detach();
                tokio::task::yield_now().await;
                assert_eq!(Arc::strong_count(&alive), 2);
            } else {
                drop(run);
                assert_eq!(told.recv().await, None, "its task is gone");
                assert_eq!(Arc::strong_count(&alive), 1);
            }
        }
    }

    #[tokio::test]
    async fn a_panic_on_its_own_task_is_a_fault() {
        let run = GuestRun::start(Box::pin(async { panic!("a bug") }), true).apart();
        let fault: Fault = run.await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Crashed);
    }
}
