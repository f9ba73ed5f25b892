//! Requests and their replies: each request has a word of its own, and whoever waits for it reads the topic
//! for replies from where that ended before it was sent.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rand::Rng as _;
use rdkafka::message::OwnedMessage;
use tokio::sync::{OnceCell, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::DropGuard;
use wrt_contract::CallContext;
use wrt_messaging::{Message, MessagingError, RequestOptions, Topic, gather, limits::REPLIES_MAX};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{
    reader::Reader,
    send::not_executed,
    wire::{CORRELATION, REPLY_TO, header, last_text_of, reply_of},
};
use crate::Kafka;

/// Replies are of no use later.
const KEPT_MS: &str = "600000";

/// Those who wait for replies.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    inboxes: Arc<Mutex<HashMap<String, mpsc::Sender<Message>>>>,
    /// They are read for as long as this lives.
    is_read: OnceCell<DropGuard>,
}

/// The place of one who waits for replies, given up with it.
struct Inbox<'a> {
    replies: &'a Replies,
    word: String,
}

impl Drop for Inbox<'_> {
    fn drop(&mut self) {
        self.replies.inboxes.lock().remove(&self.word);
    }
}

impl Kafka {
    pub(super) async fn ask(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        let message = &Message {
            reply_to: None,
            ..message.clone()
        };
        let headers = self.check(topic.as_str(), message)?;
        if !self.find_topic(context, topic.as_str()).await? {
            let detail = format!("no topic of the brokers is {topic}");
            let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail);
            return Err(fault.into());
        }
        let read = self
            .replies()
            .is_read
            .get_or_try_init(|| self.read_replies(context));
        context.bound(Hop::Backend, read).await??;

        let word = format!("{:032x}", rand::rng().random::<u128>());
        let headers = header(headers, REPLY_TO, &self.config().reply_topic);
        let headers = header(headers, CORRELATION, &word);
        let (sender, replies) = mpsc::channel(REPLIES_MAX);
        self.replies().inboxes.lock().insert(word.clone(), sender);
        let replies_to = self.replies();
        let _inbox = Inbox {
            replies: replies_to,
            word,
        };
        self.deliver(context, topic.as_str(), headers, message)
            .await?;
        gather(ReceiverStream::new(replies), options.within(context)).await
    }

    /// Reads the topic for replies from its end on, for as long as the provider is there.
    async fn read_replies(&self, context: &CallContext) -> Result<DropGuard, MessagingError> {
        let topic = self.config().reply_topic.clone();
        let failed = |error| not_executed(&error, context);
        let made = self.topics().ensure(&topic, &[("retention.ms", KEPT_MS)]);
        made.await.map_err(failed)?;
        let known = self.topics().watch();
        let reader = Reader::open(self, move |name| name == topic).map_err(failed)?;
        let inboxes = Arc::clone(&self.replies().inboxes);
        let deliveries = Arc::clone(self.deliveries());
        let deliver = move |record: OwnedMessage| {
            let word = last_text_of(&record, CORRELATION);
            let inbox = word.and_then(|word| inboxes.lock().get(word).cloned());
            // Without one it is for another replica of the provider, or too late.
            if let Some(inbox) = inbox
                && inbox.try_send(reply_of(&record)).is_err()
            {
                deliveries.dropped();
            }
        };
        // Whoever gives up waiting for the beginning leaves no reader behind: the next one would be a second.
        let reads = self.ended().child_token();
        let ends_with_this = reads.clone().drop_guard();
        let begun = reader.run(known, reads, deliver);
        begun.await.map_err(failed)?;
        Ok(ends_with_this)
    }
}
