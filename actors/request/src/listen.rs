//! A subscription that does not end before its listener does, and that is read on whatever keeps its
//! reader.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::{runtime::Handle, task::unconstrained};
use tokio_util::sync::CancellationToken;
use wrt_transport::{Inbound, Lane, Subscription, Transport, TransportError};

use crate::pace::{Steps, Turn};

/// Pause before a subscription that the bus has ended is made again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is listened to.
pub(crate) struct Listening {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) lane: Lane,
    pub(crate) subject: String,
    pub(crate) group: Option<String>,
    /// Ends it.
    pub(crate) left: CancellationToken,
}

impl Listening {
    /// # Errors
    /// When the bus refuses the subscription.
    pub(crate) async fn subscribe(&self) -> Result<Subscription, TransportError> {
        let (subject, group) = (self.subject.clone(), self.group.clone());
        self.transport.subscribe(self.lane, subject, group).await
    }
}

/// Takes what has arrived.
type Take = dyn Fn(Inbound, &mut Turn) -> bool + Send + Sync;

/// A subscription, and the task that reads it.
///
/// ```text
/// a reader     take, take, step ....... (an actor keeps the thread) ....... step ends, and so does it
/// its relief                        take, take, wait, take, ...
/// ```
pub(crate) struct Reading {
    listening: Listening,
    /// False ends it.
    take: Box<Take>,
    place: Mutex<Place>,
}

/// The place of the reader.
struct Place {
    arriving: Subscription,
    /// Of the one task that reads. Who finds those of another was relieved, and ends.
    steps: Arc<Steps>,
    /// The step that it was in at the last look.
    seen: Option<u64>,
}

enum Next {
    Arrived(Inbound),
    /// The bus has ended the subscription.
    Ended,
    /// Another task reads.
    Relieved,
}

impl Reading {
    /// Hands on what arrives until `take` answers false, the transport is closed, or it has left and
    /// what had arrived by then is handed on too: its senders would wait for nothing. A subscription
    /// that ends before, because a server took back its permission, is made again: a node must not
    /// be deaf while its heartbeats say that it listens.
    pub(crate) fn start(
        listening: Listening,
        arriving: Subscription,
        take: impl Fn(Inbound, &mut Turn) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        let steps = Arc::default();
        let reading = Arc::new(Self {
            listening,
            take: Box::new(take),
            place: Mutex::new(Place {
                arriving,
                steps: Arc::clone(&steps),
                seen: None,
            }),
        });
        tokio::spawn(Arc::clone(&reading).read(steps));
        reading
    }

    /// Puts another task in the place of one that is in the same step as at the last look. That one goes
    /// on with what it has, and then ends.
    pub(crate) fn relieve_if_held_up(self: &Arc<Self>, runtime: &Handle) -> bool {
        let relief = {
            let mut place = self.place.lock();
            let now = place.steps.now();
            if now.is_none() || now != place.seen {
                place.seen = now;
                return false;
            }
            place.seen = None;
            place.steps = Arc::default();
            Arc::clone(&place.steps)
        };
        runtime.spawn(Arc::clone(self).read(relief));
        true
    }

    async fn read(self: Arc<Self>, steps: Arc<Steps>) {
        let left = &self.listening.left;
        let mut turn = Turn::first(Arc::clone(&steps));
        loop {
            let handed_on = self.hand_on(&steps, &mut turn);
            match left.run_until_cancelled(handed_on).await {
                Some(true) => {}
                Some(false) => return,
                None => return self.hand_on_the_rest(&steps, &mut turn),
            }
            let Some(arriving) = self.listen_again().await else {
                return;
            };
            self.place.lock().arriving = arriving;
        }
    }

    /// Whether it is to be listened again when this is over.
    async fn hand_on(&self, steps: &Arc<Steps>, turn: &mut Turn) -> bool {
        loop {
            match poll_fn(|context| self.poll_next(steps, turn, context)).await {
                Next::Arrived(inbound) => match (self.take)(inbound, turn) {
                    true => {}
                    false => return false,
                },
                Next::Ended => return true,
                Next::Relieved => return false,
            }
        }
    }

    fn hand_on_the_rest(&self, steps: &Arc<Steps>, turn: &mut Turn) {
        // More cannot have arrived, however fast they come.
        for _ in 0..self.listening.lane.payloads_buffered_max() {
            let next = poll_fn(|context| self.poll_next(steps, turn, context));
            // Not by the turn that this task has used up on them.
            let Some(Next::Arrived(inbound)) = unconstrained(next).now_or_never() else {
                return;
            };
            if !(self.take)(inbound, turn) {
                return;
            }
        }
    }

    fn poll_next(
        &self,
        steps: &Arc<Steps>,
        turn: &mut Turn,
        context: &mut Context<'_>,
    ) -> Poll<Next> {
        let mut place = self.place.lock();
        // Who was relieved must not wait here: nobody would wake it.
        if !Arc::ptr_eq(&place.steps, steps) {
            return Poll::Ready(Next::Relieved);
        }
        match place.arriving.poll_next_unpin(context) {
            Poll::Ready(Some(inbound)) => Poll::Ready(Next::Arrived(inbound)),
            Poll::Ready(None) => Poll::Ready(Next::Ended),
            Poll::Pending => {
                turn.renew();
                Poll::Pending
            }
        }
    }

    /// Nothing, when the transport is closed.
    async fn listen_again(&self) -> Option<Subscription> {
        loop {
            tokio::time::sleep(AGAIN_AFTER).await;
            match self.listening.subscribe().await {
                Ok(arriving) => return Some(arriving),
                Err(TransportError::Closed) => return None,
                Err(error) => {
                    let subject = &self.listening.subject;
                    tracing::warn!(subject, ?error, "cannot listen again yet");
                }
            }
        }
    }
}
