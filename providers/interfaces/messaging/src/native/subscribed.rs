//! Subscriptions at work.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wrt_contract::{CallContext, Measured, SpanKind};
use wrt_runtime::{ServerLoad, Serving, State, Target, Term};

use super::{admission::Admission, trace};
use crate::{
    DeliveryCounter, DeliveryCounts, Message, MessageHandler, MessageHandlerInterface,
    MessagingError, Places, Subscription, limits::REPLIES_BYTES_MAX,
};

/// A component that gets messages. Cheap to clone.
#[derive(Clone)]
pub struct Subscriber {
    handler: Arc<dyn MessageHandler>,
    subscription: Arc<Subscription>,
    counter: Arc<DeliveryCounter>,
    admission: Arc<Admission>,
    runs: Arc<Runs>,
}

/// What runs for one component.
#[derive(Default)]
struct Runs {
    stops: Mutex<Vec<CancellationToken>>,
    tracker: TaskTracker,
}

impl Subscriber {
    /// The component that `target` names gets what it says.
    #[must_use]
    pub fn new(
        state: &impl State,
        target: Target<Subscription>,
        counter: &Arc<DeliveryCounter>,
    ) -> Self {
        let capacity = state.capacity::<MessageHandlerInterface>(&target.component);
        Self {
            handler: state.component::<MessageHandlerInterface>(&target.component),
            subscription: Arc::new(target.selection),
            counter: Arc::clone(counter),
            admission: Admission::new(capacity),
            runs: Arc::default(),
        }
    }

    /// Ends what runs for it, and waits until nothing is in hand.
    pub async fn end(&self) {
        for stop in &*self.runs.stops.lock() {
            stop.cancel();
        }
        self.runs.tracker.close();
        self.runs.tracker.wait().await;
    }

    /// What it gets.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// What becomes of it.
    #[must_use]
    pub fn counter(&self) -> &DeliveryCounter {
        &self.counter
    }

    /// The places in hand of one of so many parts of the subscription: at most `most` of it, and no more than
    /// its share of what its component has room for.
    #[must_use]
    pub fn places(&self, most: usize, parts: usize) -> Places {
        Places::new(most, parts, &self.admission)
    }

    /// Hands a message over, within the handler's time. A reply to it goes by the subscription's link.
    ///
    /// # Errors
    /// As [`MessageHandler::handle`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the handler.
    pub async fn hand_over(&self, message: &mut Message) -> Result<(), MessagingError> {
        let context = CallContext::with_budget(self.subscription.handler_timeout());
        self.hand_over_with(context, message).await
    }

    /// The same for a work that is this replica's own during `term`; none when that is over. What the handler
    /// does is fenced off, once another replica goes on with the work.
    ///
    /// # Cancel safety
    /// As [`Self::hand_over`].
    pub async fn hand_over_during(
        &self,
        term: &Term,
        message: &mut Message,
    ) -> Option<Result<(), MessagingError>> {
        let context = term.context(self.subscription.handler_timeout())?;
        Some(self.hand_over_with(context, message).await)
    }

    async fn hand_over_with(
        &self,
        mut context: CallContext,
        message: &mut Message,
    ) -> Result<(), MessagingError> {
        if let Some(reply_to) = &mut message.reply_to {
            reply_to.link = self.subscription.reply_link.to_string();
        }
        let (_in_hand, _handed) = (self.counter.take(), self.admission.hand());
        if let Some(place) = trace::named_by(message) {
            context = context.with_trace(Some(place));
        }
        let topic = message.topic.as_ref();
        let name = || format!("process {}", topic.map_or("", |topic| topic.as_str()));
        let mut span = context.begin_trace(SpanKind::Consumer, name);
        let handled = self.handler.handle(&context, message).await;
        // The context was made for it just before.
        self.counter.processed(handled.is_ok(), context.elapsed());
        span.judge(&handled);
        handled
    }
}

/// The subscriptions of a provider. Dropping it ends them at once.
#[derive(Default)]
pub struct Subscribed {
    tasks: JoinSet<()>,
    tracker: TaskTracker,
    stop: CancellationToken,
    counter: Arc<DeliveryCounter>,
}

impl Subscribed {
    /// None yet, which will be counted by `counter`.
    #[must_use]
    pub fn counted_by(counter: Arc<DeliveryCounter>) -> Self {
        Self {
            counter,
            ..Self::default()
        }
    }

    /// Runs a subscription. It MUST take nothing more once the token is cancelled, and end when nothing is
    /// in hand.
    pub fn run<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        work: impl FnOnce(CancellationToken) -> F,
    ) {
        let work = work(self.stop.clone());
        self.tasks.spawn(self.tracker.track_future(work));
    }

    /// Runs a subscription of one component, which [`Subscriber::end`] ends alone; otherwise as
    /// [`Self::run`].
    pub fn run_for<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        subscriber: &Subscriber,
        work: impl FnOnce(CancellationToken) -> F,
    ) {
        let stop = self.stop.child_token();
        subscriber.runs.stops.lock().push(stop.clone());
        let work = subscriber.runs.tracker.track_future(work(stop));
        self.tasks.spawn(self.tracker.track_future(work));
    }

    /// What has become of their messages.
    #[must_use]
    pub fn counts(&self) -> DeliveryCounts {
        self.counter.counts()
    }
}

impl Serving for Subscribed {
    fn load(&self) -> ServerLoad {
        let counts = self.counts();
        ServerLoad {
            in_hand: counts.in_hand,
            handled: counts.handled,
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts();
        vec![
            ("failed", counts.failed),
            ("put_back", counts.put_back),
            ("redelivered", counts.redelivered),
            ("duplicates", counts.duplicates),
            ("dead_lettered", counts.dead_lettered),
            ("dropped", counts.dropped),
        ]
    }

    fn measured(&self) -> Vec<Measured> {
        self.counter.measured()
    }

    fn drain(&self, patience: Duration) -> BoxFuture<'_, bool> {
        self.stop.cancel();
        self.tracker.close();
        Box::pin(async move { timeout(patience, self.tracker.wait()).await.is_ok() })
    }
}

/// Gathers replies until there are `enough`, or `time` is up.
///
/// # Errors
/// [`MessagingError::Timeout`] if there are none.
pub async fn gather(
    replies: impl Stream<Item = Message>,
    (time, enough): (Duration, usize),
) -> Result<Vec<Message>, MessagingError> {
    let (mut gathered, mut bytes) = (Vec::new(), 0);
    let gathering = async {
        let mut replies = std::pin::pin!(replies);
        while let Some(reply) = replies.next().await {
            bytes += reply.bytes();
            if bytes > REPLIES_BYTES_MAX && !gathered.is_empty() {
                break;
            }
            gathered.push(reply);
            if gathered.len() >= enough {
                break;
            }
        }
    };
    let _elapsed = timeout(time, gathering).await;
    match gathered.is_empty() {
        true => Err(MessagingError::Timeout),
        false => Ok(gathered),
    }
}
