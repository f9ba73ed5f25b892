//! Messages to topics.

use std::time::Duration;

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedHeaders,
    producer::FutureRecord,
};
use wrt_contract::CallContext;
use wrt_messaging::{Limit, Message, MessagingError, ReplyTo, Topic, limits::REPLY_MARGIN};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

use super::wire::{CORRELATION, bytes_beside_data, header, headers_of, key_of, parts_of};
use crate::{Kafka, topics::is_name};

/// How long it is looked whether a broker that was away is there again.
const LOOK_FOR: Duration = Duration::from_millis(500);

impl Kafka {
    pub(super) async fn publish(
        &self,
        context: &CallContext,
        topic: &Topic,
        message: &Message,
    ) -> Result<(), MessagingError> {
        let headers = self.check(topic.as_str(), message)?;
        if !self.find_topic(context, topic.as_str()).await? {
            return Err(MessagingError::NoStream(topic.as_str().into()));
        }
        self.deliver(context, topic.as_str(), headers, message)
            .await
    }

    /// Nobody may wait for a reply any more; the brokers say nothing of that.
    pub(super) async fn answer(
        &self,
        context: &CallContext,
        to: &ReplyTo,
        message: &Message,
    ) -> Result<(), MessagingError> {
        let (topic, word) = answerable(to)?;
        let Some(word) = word else {
            return self.publish(context, &Topic::new(topic)?, message).await;
        };
        let headers = header(self.check(topic, message)?, CORRELATION, word);
        if !self.find_topic(context, topic).await? {
            return Err(MessagingError::NoStream(topic.into()));
        }
        self.deliver(context, topic, headers, message).await
    }

    /// Refuses what Kafka cannot hold; answers the headers.
    pub(super) fn check(
        &self,
        topic: &str,
        message: &Message,
    ) -> Result<OwnedHeaders, MessagingError> {
        message.check()?;
        if !is_name(topic) {
            return Err(MessagingError::BadTopic(topic.into()));
        }
        if let Some(to) = &message.reply_to {
            answerable(to)?;
        }
        let headers = headers_of(message);
        let beside = bytes_beside_data(&headers, message) + topic.len();
        let most = self.config().message_bytes_max.saturating_sub(beside);
        Limit::DataBytes.check(message.data.len(), most)?;
        Ok(headers)
    }

    /// Whether there is such a topic; it is made where that is asked for.
    pub(super) async fn find_topic(
        &self,
        context: &CallContext,
        topic: &str,
    ) -> Result<bool, MessagingError> {
        let within = match self.context().is_cut_off() {
            // The caller may know another replica.
            true => {
                self.topics().forget(topic);
                LOOK_FOR
            }
            false => context.remaining().saturating_sub(REPLY_MARGIN),
        };
        let found = context.bound(Hop::Backend, self.topics().find(topic, within));
        found.await?.map_err(|error| match error {
            KafkaError::AdminOp(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => MessagingError::permission_denied(format!("kafka: {topic}: {error}")),
            _ => not_executed(&error, context),
        })
    }

    /// Sends, and waits for the brokers' word.
    pub(super) async fn deliver(
        &self,
        context: &CallContext,
        topic: &str,
        headers: OwnedHeaders,
        message: &Message,
    ) -> Result<(), MessagingError> {
        let (key, data) = (key_of(message).map(str::as_bytes), Some(&message.data[..]));
        let delivered = self.deliver_record(topic, headers, key, data);
        let delivered = context.bound(Hop::Backend, delivered).await?;
        delivered.map_err(|error| refused(&error, topic, context))
    }

    /// The same without a call's time, and with the client's own words.
    pub(super) async fn deliver_record(
        &self,
        topic: &str,
        headers: OwnedHeaders,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) -> Result<(), KafkaError> {
        let record = FutureRecord {
            key,
            payload,
            ..FutureRecord::to(topic).headers(headers)
        };
        let delivered = match self.producer().send_result(record) {
            Ok(on_its_way) => on_its_way.await,
            Err((error, _)) => return Err(error),
        };
        match delivered {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => {
                if is_gone(&error) {
                    self.topics().forget(topic);
                }
                Err(error)
            }
            // The client has ended.
            Err(_) => Err(KafkaError::Canceled),
        }
    }
}

/// The topic of an address for replies, and the word of one who waits there. Whoever sent the message has
/// chosen it.
fn answerable(to: &ReplyTo) -> Result<(&str, Option<&str>), MessagingError> {
    let (topic, word) = match to.is_inbox() {
        true => parts_of(&to.address).map(|(topic, word)| (topic, Some(word))),
        false => Some((to.address.as_str(), None)),
    }
    .filter(|(topic, _)| is_name(topic))
    .ok_or_else(|| {
        let text = format!("{:?} is no address for replies", to.address);
        MessagingError::permission_denied(text)
    })?;
    Ok((topic, word))
}

fn is_gone(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}

/// Why the brokers have not taken a message, or may not have.
fn refused(error: &KafkaError, topic: &str, context: &CallContext) -> MessagingError {
    use RDKafkaErrorCode as Code;
    let text = format!("kafka: {error}");
    match error.rdkafka_error_code() {
        _ if is_gone(error) => MessagingError::NoStream(topic.into()),
        Some(Code::QueueFull) => MessagingError::full(text),
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            MessagingError::permission_denied(format!("{topic}: {text}"))
        }
        Some(Code::MessageSizeTooLarge | Code::PolicyViolation | Code::InvalidRecord) => {
            MessagingError::other(format!("{topic} does not take it: {text}"))
        }
        Some(Code::NotEnoughReplicas) => not_executed(error, context),
        _ => fault(Execution::MaybeExecuted, text, context),
    }
}

pub(super) fn not_executed(error: &KafkaError, context: &CallContext) -> MessagingError {
    fault(Execution::NotExecuted, format!("kafka: {error}"), context)
}

fn fault(execution: Execution, detail: String, context: &CallContext) -> MessagingError {
    let fault = Fault::new(FaultKind::Unavailable, execution, Hop::Backend, detail);
    fault.after(context.elapsed()).into()
}
