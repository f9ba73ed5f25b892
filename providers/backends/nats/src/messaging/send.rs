//! Messages to topics.

use std::collections::HashMap;

use async_nats::{
    HeaderMap, Request, RequestErrorKind, StatusCode,
    connection::State,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self, ErrorCode, context::GetStreamByNameErrorKind, publish::PublishAck, response::Response,
    },
};
use bytes::Bytes;
use parking_lot::Mutex;
use wrt_contract::CallContext;
use wrt_messaging::{Limit, Message, MessagingError, ReplyTo, Topic, TopicFilter};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, subject};

use super::wire::{IS_REPLY, bytes_of, check_address, headers_of};
use crate::{
    ConnectError, Nats,
    attempt::{Earlier, Failure, attempts, said},
    refusal::{has_no_leader, has_no_room},
};

/// Topics whose stream is remembered.
const TOPICS_KNOWN_MAX: usize = 4096;
/// Room in a message for what is said of it as a dead letter: what can be sent can be stored as one.
pub(super) const DEAD_LETTER_BYTES: usize = 2048;

/// Which stream holds a topic, as far as it is known. That none does is not remembered: somebody may make
/// one at any time.
#[derive(Debug, Default)]
pub(crate) struct StreamsByTopic(Mutex<HashMap<Topic, String>>);

impl StreamsByTopic {
    fn get(&self, topic: &Topic) -> Option<String> {
        self.0.lock().get(topic).cloned()
    }

    fn remember(&self, topic: &Topic, stream: String) {
        let mut known = self.0.lock();
        if known.len() >= TOPICS_KNOWN_MAX {
            known.clear();
        }
        known.insert(topic.clone(), stream);
    }

    fn forget(&self, topic: &Topic) {
        self.0.lock().remove(topic);
    }
}

impl Nats {
    pub(super) async fn send_message(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError> {
        message.check()?;
        check_topic(topic)?;
        let mut headers = headers_of(message)?;
        self.check_size(&headers, &message.data)?;
        if self.may_lose(topic) {
            // Callers that are told of a deduplication try a message again that may have been sent. All
            // others do so only with one that was not.
            if context.attempt() > 1 && self.config().deduplicate_for_ms.is_some() {
                let detail = "nats: it may have been sent, and is sent at most once";
                let fault = Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail);
                return Err(fault.into());
            }
            return self
                .publish_once(context, topic.as_str(), headers, message)
                .await;
        }
        let id = match context.key() {
            Some(key) => key.to_string(),
            None => self.client().new_inbox(),
        };
        headers.insert(NATS_MESSAGE_ID, id.as_str());
        let (headers, data) = (&headers, &message.data);
        attempts(context, self.client(), |earlier| async move {
            if self.stream_of(topic).await?.is_none() {
                let error = MessagingError::NoStream(topic.as_str().into());
                return Err(unless_done(earlier, error));
            }
            let stored = self.store(topic, headers.clone(), data.clone()).await;
            match stored {
                Err(Failure::Final(error)) => Err(unless_done(earlier, error)),
                Err(Failure::NotDone(reason)) => {
                    self.streams().forget(topic);
                    Err(Failure::NotDone(reason))
                }
                other => other,
            }
        })
        .await
    }

    /// One attempt to have a message stored.
    async fn store(
        &self,
        topic: &Topic,
        headers: HeaderMap,
        data: Bytes,
    ) -> Result<(), Failure<MessagingError>> {
        // The attempt has a limit of its own.
        let request = Request::new().headers(headers).payload(data).timeout(None);
        let subject = topic.as_str().to_owned();
        let answer = self.client().send_request(subject, request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Failure::NotDone(error.to_string()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Failure::Final(MessagingError::other(error.to_string()))
            }
            RequestErrorKind::TimedOut | RequestErrorKind::Other => {
                Failure::Unknown(error.to_string())
            }
        })?;
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(Failure::NotDone("no stream takes the message".to_owned()));
        }
        let answer: Response<PublishAck> = serde_json::from_slice(&answer.payload)
            .map_err(|error| Failure::Unknown(error.to_string()))?;
        match answer {
            Response::Ok(stored) => {
                if stored.duplicate {
                    self.deliveries().duplicate();
                }
                Ok(())
            }
            Response::Err { error } if has_no_leader(&error) => {
                Err(Failure::NotDone(error.to_string()))
            }
            Response::Err { error } => Err(Failure::Final(refused(&error))),
        }
    }

    /// Publishes to whoever listens. Whether anybody has heard it is not known, so it is not repeated.
    pub(super) async fn publish_once(
        &self,
        context: &CallContext,
        subject: &str,
        headers: HeaderMap,
        message: &Message,
    ) -> Result<(), MessagingError> {
        self.check_connected()?;
        let (client, data) = (self.client(), message.data.clone());
        let reply = message.reply_to.as_ref().map(|to| to.address.clone());
        let publish = async {
            let subject = subject.to_owned();
            let published = match reply {
                // Programs that are no WRT read the subject for replies.
                Some(reply) => {
                    let publish =
                        client.publish_with_reply_and_headers(subject, reply, headers, data);
                    publish.await
                }
                None => client.publish_with_headers(subject, headers, data).await,
            };
            published.map_err(|error| error.to_string())?;
            client.flush().await.map_err(|error| error.to_string())
        };
        let published = context.bound(Hop::Backend, publish).await?;
        published.map_err(|error| {
            let detail = format!("nats: {error}");
            Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
        })
    }

    /// Nobody may wait for a reply any more; the server says nothing of that. One that goes to a topic of a
    /// stream is acknowledged by it.
    pub(super) async fn send_reply(
        &self,
        context: &CallContext,
        to: &ReplyTo,
        message: &Message,
    ) -> Result<(), MessagingError> {
        message.check()?;
        check_address(to)?;
        let address = &to.address;
        // One of a stream that cannot be found now is taken for a place where somebody waits.
        if !to.is_inbox() {
            let topic = Topic::new(address)?;
            if let Ok(Some(_stream)) = self.stream_of(&topic).await {
                return self.send_message(context, &topic, message).await;
            }
        }
        let mut headers = headers_of(message)?;
        headers.insert(IS_REPLY, "1");
        self.check_size(&headers, &message.data)?;
        self.publish_once(context, address, headers, message).await
    }

    pub(super) fn check_connected(&self) -> Result<(), MessagingError> {
        if self.client().connection_state() == State::Connected {
            return Ok(());
        }
        let detail = "nats: not connected";
        Err(Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail).into())
    }

    pub(super) fn check_size(
        &self,
        headers: &HeaderMap,
        data: &Bytes,
    ) -> Result<(), MessagingError> {
        let beside = bytes_of(headers) + DEAD_LETTER_BYTES;
        let most = self
            .client()
            .server_info()
            .max_payload
            .saturating_sub(beside);
        Limit::DataBytes.check(data.len(), most)
    }

    fn may_lose(&self, topic: &Topic) -> bool {
        let mut filters = self.config().at_most_once_topics.iter();
        filters.any(|filter| filter.matches(topic))
    }

    /// The stream that holds a topic.
    pub(super) async fn stream_of(
        &self,
        topic: &Topic,
    ) -> Result<Option<String>, Failure<MessagingError>> {
        if let Some(known) = self.streams().get(topic) {
            return Ok(Some(known));
        }
        let found = self.jetstream().stream_by_subject(topic.as_str()).await;
        match found {
            Ok(stream) => {
                self.streams().remember(topic, stream.clone());
                Ok(Some(stream))
            }
            Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::NotDone(said(&error))),
        }
    }

    /// The stream that holds all topics of a filter.
    pub(super) async fn stream_that_holds(
        &self,
        topic: &TopicFilter,
    ) -> Result<String, ConnectError> {
        let found = self.jetstream().stream_by_subject(topic.as_str()).await;
        found.map_err(|error| match error.kind() {
            GetStreamByNameErrorKind::NotFound => ConnectError::NoStream {
                topic: topic.clone(),
            },
            _ => ConnectError::JetStream {
                what: format!("cannot find the stream that holds {topic}"),
                source: said(&error).into(),
            },
        })
    }
}

/// An attempt before may have been stored, so what this one is told is not the whole of it.
fn unless_done(earlier: Earlier, error: MessagingError) -> Failure<MessagingError> {
    match earlier {
        Earlier::Nothing => Failure::Final(error),
        Earlier::Maybe => Failure::Unknown(error.to_string()),
    }
}

/// Guests send to no subject by which the broker, or a lattice, is told what to do.
pub(super) fn check_topic(topic: &Topic) -> Result<(), MessagingError> {
    match subject::is_reserved(topic.as_str()) {
        true => Err(MessagingError::permission_denied(format!(
            "{topic} is a topic of the broker or of a lattice"
        ))),
        false => Ok(()),
    }
}

/// Why a stream has not stored a message.
pub(super) fn refused(error: &jetstream::Error) -> MessagingError {
    match error.error_code() {
        _ if has_no_room(error) => MessagingError::full(error.to_string()),
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
            MessagingError::other(format!("nats: larger than the stream takes: {error}"))
        }
        _ => MessagingError::from(Fault::new(
            FaultKind::Unavailable,
            Execution::NotExecuted,
            Hop::Backend,
            format!("nats: {error}"),
        )),
    }
}
