//! What is built into a node: the traits, their host glue, the memory and the suite.

mod admission;
mod counts;
mod delivery;
mod error;
mod keyed;
mod letters;
mod memory;
mod message;
mod subscribed;
mod subscription;
mod topic;
mod trace;

pub mod conformance;
pub mod host;
pub mod limits;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, Schema, interface};

pub use admission::{PlaceInHand, Places};
pub use counts::{DeliveryCounter, DeliveryCounts, InHand};
pub use delivery::{Delivery, Verdict, is_attempt};
pub use error::{Limit, MessagingError};
pub use host::{MessageComponent, WasiMessaging};
pub use keyed::KeyedQueues;
pub use letters::{Subscribers, opened};
pub use memory::{MemoryConfig, MessagingDefault};
pub use message::{INBOX, Message, ReplyTo};
pub use subscribed::{Subscribed, Subscriber, gather};
pub use subscription::{DeliveryMode, Order, Subscription};
pub use topic::{Topic, TopicFilter};
pub use trace::carry as carry_trace;

/// A broker: whoever takes messages and hands them to those who subscribe.
#[interface(name = "wasi:messaging", error = MessagingError)]
pub trait Messaging {
    /// Sends a message to a topic. It is acknowledged: where the provider keeps messages of the topic, it
    /// has this one. Where a reply is to go, if the message says so, its handler is told.
    ///
    /// # Errors
    /// What is over a limit, a topic that nobody keeps, a service without room: all of them say that
    /// nothing was sent.
    #[operation(keyed)]
    async fn send(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError>;

    /// Sends a message and gathers what is replied to it, at most until the call's deadline. What a
    /// service says of having the message is no reply.
    ///
    /// # Errors
    /// [`MessagingError::Timeout`] where no reply has come in time.
    async fn request(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError>;

    /// Replies to a message, to wherever its sender waits. Nobody may wait any more: that is no error. Where
    /// a topic is to get replies, this is [`Messaging::send`].
    ///
    /// # Errors
    /// As [`Messaging::send`].
    async fn reply(
        &self,
        context: &CallContext,
        to: &ReplyTo,
        message: &Message,
    ) -> Result<(), MessagingError>;
}

/// Whoever handles messages: a component on this node, or the way to one on another.
#[interface(name = "wasi:messaging/incoming-handler", error = MessagingError)]
pub trait MessageHandler {
    /// Handles one message, to its end.
    ///
    /// # Errors
    /// What the guest says, or a fault where it did not get to its end.
    async fn handle(&self, context: &CallContext, message: &Message) -> Result<(), MessagingError>;
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct RequestOptions {
    /// How long for replies; without it, until there are enough.
    pub timeout: Option<Duration>,
    /// For how many. Without it for one, or, where a timeout is given, for all that come until then.
    pub expected_replies: Option<u32>,
}

impl RequestOptions {
    /// How long a request that `context` is the context of waits, and for how many replies.
    #[must_use]
    pub fn within(&self, context: &CallContext) -> (Duration, usize) {
        let most = context.remaining().saturating_sub(limits::REPLY_MARGIN);
        let time = self.timeout.map_or(most, |timeout| timeout.min(most));
        let enough = match (self.expected_replies, self.timeout) {
            (Some(expected), _) => usize::try_from(expected).unwrap_or(usize::MAX),
            (None, None) => 1,
            (None, Some(_)) => limits::REPLIES_MAX,
        };
        (time, enough.clamp(1, limits::REPLIES_MAX))
    }
}
