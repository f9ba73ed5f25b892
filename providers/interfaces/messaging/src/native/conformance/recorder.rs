//! A component that does as messages say, and remembers them.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;
use wrt_contract::{CallContext, Caller, Gate, GateLimits, LocalDirectory, Offer, async_trait};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, Name};
use wrt_runtime::{LatticeState, Target};

use crate::{
    Message, MessageHandler, MessageHandlerInterface, Messaging, MessagingError, Subscription,
    Topic, TopicFilter,
};

/// How all topics of the suite begin.
pub(super) const TOPICS: &str = "conformance";
/// Attempts after which a message is given up.
pub(super) const ATTEMPTS_MAX: u32 = 3;

/// So many of its first calls fail.
pub(super) const FAILS: &str = "fails";
/// So many of its first calls do not take place.
pub(super) const REFUSES: &str = "refuses";
/// So many replies.
pub(super) const REPLIES: &str = "replies";
/// Which of them a reply is.
pub(super) const COUNT: &str = "count";
/// The topic of somebody else, who is to reply.
pub(super) const REPLIED_FROM: &str = "replied-from";

/// How long a case waits for what has to come.
pub(super) const COMES_WITHIN: Duration = Duration::from_secs(30);

/// A component that does as messages say, and remembers them.
pub struct Recorder {
    replies_by: Arc<dyn Messaging>,
    topics: Mutex<HashMap<Topic, Heard>>,
    changed: Notify,
}

/// The messages of one topic.
#[derive(Default)]
struct Heard {
    calls: u32,
    handled: Vec<Message>,
}

impl Recorder {
    /// One that replies by `messaging`.
    #[must_use]
    pub fn replying_by(messaging: Arc<dyn Messaging>) -> Arc<Self> {
        Arc::new(Self {
            replies_by: messaging,
            topics: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// The first messages of a topic that were handled, as soon as there are so many.
    pub(super) async fn handled<const COUNT: usize>(&self, topic: &Topic) -> [Message; COUNT] {
        let handled = self.until(topic, |heard| {
            let handled = heard.handled.get(..COUNT)?;
            Some(handled.to_vec())
        });
        let handled = handled.await;
        handled.try_into().expect("it has that length")
    }

    /// Waits until a topic's handler has been called so often.
    pub(super) async fn called(&self, topic: &Topic, calls: u32) {
        self.until(topic, |heard| (heard.calls >= calls).then_some(()))
            .await;
    }

    /// How often the handler of a topic has been called.
    pub(super) fn calls(&self, topic: &Topic) -> u32 {
        let topics = self.topics.lock();
        topics.get(topic).map_or(0, |heard| heard.calls)
    }

    async fn until<T>(&self, topic: &Topic, is_there: impl Fn(&Heard) -> Option<T>) -> T {
        let comes = async {
            loop {
                let changed = self.changed.notified();
                if let Some(there) = self.topics.lock().get(topic).and_then(&is_there) {
                    return there;
                }
                // Another case may have been told.
                let _again = tokio::time::timeout(Duration::from_millis(50), changed).await;
            }
        };
        let came = tokio::time::timeout(COMES_WITHIN, comes).await;
        came.unwrap_or_else(|_elapsed| {
            let (calls, topics) = (self.calls(topic), self.topics.lock());
            let handled = topics.get(topic).map_or(0, |heard| heard.handled.len());
            panic!("{topic}: after {calls} calls {handled} messages are handled")
        })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// What it replies may come to itself, and is replied to no further.
    async fn reply_to(
        &self,
        context: &CallContext,
        message: &Message,
    ) -> Result<(), MessagingError> {
        if text(message, COUNT).is_some() {
            return Ok(());
        }
        for count in 0..number(message, REPLIES) {
            let to = message.reply_to.as_ref().expect("somebody waits");
            let mut reply = message.clone();
            reply.reply_to = None;
            reply.add_metadata(COUNT.to_owned(), count.to_string());
            // As a guest's link has it: each is an operation of its own.
            let context = context.for_operation();
            self.replies_by.reply(&context, to, &reply).await?;
        }
        Ok(())
    }

    async fn hand_on(
        &self,
        context: &CallContext,
        message: &Message,
        other: &str,
    ) -> Result<(), MessagingError> {
        let mut handed_on = message.clone();
        handed_on.remove_metadata(REPLIED_FROM);
        let topic = Topic::new(other)?;
        let context = context.for_operation();
        self.replies_by.send(&context, &topic, &handed_on).await
    }
}

fn text<'a>(message: &'a Message, key: &str) -> Option<&'a str> {
    let entry = message.metadata.iter().find(|(known, _)| known == key);
    entry.map(|(_, value)| value.as_str())
}

fn number(message: &Message, key: &str) -> u32 {
    text(message, key)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

#[async_trait]
impl MessageHandler for Recorder {
    async fn handle(&self, context: &CallContext, message: &Message) -> Result<(), MessagingError> {
        let topic = message.topic.clone().expect("it came in");
        let calls = {
            let mut topics = self.topics.lock();
            let heard = topics.entry(topic.clone()).or_default();
            heard.calls += 1;
            heard.calls
        };
        self.changed.notify_waiters();
        if calls <= number(message, REFUSES) {
            let kind = FaultKind::Overloaded { retry_after_ms: 0 };
            return Err(Fault::not_executed(kind, Hop::Gate, "full").into());
        }
        if calls <= number(message, FAILS) {
            return Err(MessagingError::other("on purpose"));
        }
        match text(message, REPLIED_FROM) {
            Some(other) => self.hand_on(context, message, other).await?,
            None => self.reply_to(context, message).await?,
        }
        let mut topics = self.topics.lock();
        topics
            .entry(topic)
            .or_default()
            .handled
            .push(message.clone());
        drop(topics);
        self.changed.notify_waiters();
        Ok(())
    }
}

/// An app with the component `handler`: a [`Recorder`], or the way to one.
#[must_use]
pub fn state(handler: Arc<dyn MessageHandler>, caller: Arc<dyn Caller>) -> LatticeState {
    let directory = Arc::new(LocalDirectory::default());
    let target = subscription();
    let app = Name::new("conformance").expect("a legal name");
    let actor = ActorAddress::component(app.clone(), target.component);
    let gate = Gate::of_actor(&actor, GateLimits::default());
    Offer::new::<MessageHandlerInterface>(handler, &gate).install(&directory, &actor);
    LatticeState::new(app, directory, caller)
}

/// What the component `handler` gets: all topics of the suite, with short pauses.
#[must_use]
pub fn subscription() -> Target<Subscription> {
    let topics = format!("{TOPICS}.>");
    Target {
        component: Name::new("handler").expect("a legal name"),
        selection: Subscription {
            topics: vec![TopicFilter::new(&topics).expect("a legal filter")],
            attempts_max: ATTEMPTS_MAX,
            pause_ms_min: 20,
            pause_ms_max: 100,
            ..Subscription::default()
        },
    }
}
