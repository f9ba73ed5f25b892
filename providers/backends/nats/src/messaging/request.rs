//! Requests and their replies.

use std::{pin::pin, time::Duration};

use async_nats::{HeaderMap, StatusCode, header::NATS_MESSAGE_ID, jetstream};
use bytes::Bytes;
use futures::{StreamExt, stream::poll_fn};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use wrt_contract::CallContext;
use wrt_messaging::{Message, MessagingError, RequestOptions, Topic, gather};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

use super::{
    send::{check_topic, refused},
    wire::{IS_REPLY, REPLY_TO, headers_of, reply_of},
};
use crate::Nats;

/// What a stream says to whoever waits for a reply: that it has the message, or why not.
#[derive(Debug, Deserialize)]
struct Acknowledgement {
    stream: String,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    error: Option<jetstream::Error>,
}

impl Nats {
    pub(super) async fn request_replies(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        message.check()?;
        check_topic(topic)?;
        self.check_connected()?;
        let inbox = self.client().new_inbox();
        let mut headers = headers_of(message)?;
        headers.insert(REPLY_TO, inbox.as_str());
        if let Some(key) = context.key() {
            headers.insert(NATS_MESSAGE_ID, key.to_string());
        }
        self.check_size(&headers, &message.data)?;
        let (time, enough) = options.within(context);
        let end = Instant::now() + time;
        let sending = self.ask(topic, inbox, headers, &message.data);
        let replies = timeout_at(end, sending).await;
        // It may be on its way.
        let replies = replies.map_err(|_elapsed| MessagingError::Timeout)??;
        let left = end.saturating_duration_since(Instant::now());
        self.gather_replies(topic, replies, (left, enough)).await
    }

    /// Sends a request from where its replies are waited for.
    async fn ask(
        &self,
        topic: &Topic,
        inbox: String,
        headers: HeaderMap,
        data: &Bytes,
    ) -> Result<async_nats::Subscriber, MessagingError> {
        let client = self.client();
        let unavailable = |execution, error: &dyn std::fmt::Display| {
            let detail = format!("nats: {error}");
            Fault::new(FaultKind::Unavailable, execution, Hop::Backend, detail)
        };
        let replies = client.subscribe(inbox.clone()).await;
        let replies = replies.map_err(|error| unavailable(Execution::NotExecuted, &error))?;
        let subject = topic.as_str().to_owned();
        let sent = client.publish_with_reply_and_headers(subject, inbox, headers, data.clone());
        let maybe = Execution::MaybeExecuted;
        sent.await.map_err(|error| unavailable(maybe, &error))?;
        let flushed = client.flush().await;
        flushed.map_err(|error| unavailable(maybe, &error))?;
        Ok(replies)
    }

    /// What is replied, until there is enough of it. A refusal counts where there is no reply.
    async fn gather_replies(
        &self,
        topic: &Topic,
        mut replies: async_nats::Subscriber,
        within: (Duration, usize),
    ) -> Result<Vec<Message>, MessagingError> {
        let (sender, mut read) = mpsc::channel(1);
        let reading = async move {
            while let Some(reply) = replies.next().await {
                match self.read_reply(topic, reply).await {
                    Ok(Some(reply)) => drop(sender.send(reply).await),
                    Ok(None) => {}
                    Err(refused) => return Some(refused),
                }
            }
            None
        };
        let gathering = gather(poll_fn(move |context| read.poll_recv(context)), within);
        let (mut reading, mut gathering) = (pin!(reading), pin!(gathering));
        tokio::select! {
            gathered = &mut gathering => gathered,
            refusal = &mut reading => match (gathering.await, refusal) {
                (Err(_), Some(refused)) => Err(refused),
                (gathered, _) => gathered,
            },
        }
    }

    /// A reply; none where the stream that holds the topic says that it has the message.
    async fn read_reply(
        &self,
        topic: &Topic,
        reply: async_nats::Message,
    ) -> Result<Option<Message>, MessagingError> {
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            let detail = format!("nobody subscribes to {topic}");
            let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail);
            return Err(fault.into());
        }
        let headers = reply.headers.as_ref();
        let is_marked = headers.is_some_and(|headers| headers.get(IS_REPLY).is_some());
        if !is_marked && let Some(said) = self.acknowledgement(topic, &reply.payload).await {
            return match said.error {
                Some(error) => Err(refused(&error)),
                None => Ok(None),
            };
        }
        Ok(Some(reply_of(headers, reply.payload)))
    }

    /// Programs that are no WRT reply without a mark: what looks like an acknowledgement is one only if
    /// that stream holds the topic.
    async fn acknowledgement(&self, topic: &Topic, payload: &[u8]) -> Option<Acknowledgement> {
        let said: Acknowledgement = serde_json::from_slice(payload).ok()?;
        if said.seq.is_none() && said.error.is_none() {
            return None;
        }
        let holder = self.stream_of(topic).await;
        // Where it cannot be asked, it is taken for what it looks like: a request waits on.
        let is_holder = holder.map_or(true, |holder| holder.as_ref() == Some(&said.stream));
        is_holder.then_some(said)
    }
}
