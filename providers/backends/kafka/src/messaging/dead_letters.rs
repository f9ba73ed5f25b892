//! Messages that were given up, kept in a topic of their own.

use std::time::Duration;

use rdkafka::message::{Message as _, OwnedHeaders, OwnedMessage};
use tokio::time::timeout;
use wrt_protocol::Name;

use super::wire::header;
use crate::{ConnectError, Kafka, config::LETTER_BYTES_MAX};

/// As much of a reason as is kept.
const REASON_BYTES_MAX: usize = 512;
/// How long the acknowledgement is waited for.
const STORED_WITHIN: Duration = Duration::from_secs(5);
/// They are kept until somebody has looked.
const KEPT_MS: &str = "-1";

/// Where the dead letters of a component go.
pub(super) struct DeadLetters {
    kafka: Kafka,
    component: Name,
    topic: String,
}

impl Kafka {
    /// Those of `component`. The topic is made if it is not there.
    pub(super) async fn dead_letters(&self, component: &Name) -> Result<DeadLetters, ConnectError> {
        let topic = self.topic_of_letters(component.as_str());
        let most = LETTER_BYTES_MAX.to_string();
        let settings = [("retention.ms", KEPT_MS), ("max.message.bytes", &most)];
        let made = self.topics().ensure(&topic, &settings);
        made.await.map_err(|source| ConnectError::Broker {
            what: format!("cannot make the topic {topic} for dead letters"),
            source,
        })?;
        Ok(DeadLetters {
            kafka: self.clone(),
            component: component.clone(),
            topic,
        })
    }
}

impl DeadLetters {
    /// Stores a record as it came, with what is said of it.
    ///
    /// # Errors
    /// Why it is not stored, or may not be.
    pub(super) async fn store(
        &self,
        record: &OwnedMessage,
        attempts: u32,
        reason: &str,
    ) -> Result<(), String> {
        let mut headers = record.headers().cloned().unwrap_or_else(OwnedHeaders::new);
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        for (name, text) in [
            ("Wrt-Dead-Reason", reason),
            ("Wrt-Dead-Attempts", &attempts.to_string()),
            ("Wrt-Dead-Component", self.component.as_str()),
            ("Wrt-Dead-Topic", record.topic()),
            ("Wrt-Dead-Partition", &record.partition().to_string()),
            ("Wrt-Dead-Offset", &record.offset().to_string()),
        ] {
            headers = header(headers, name, text);
        }
        let (key, data) = (record.key(), record.payload());
        let stored = self.kafka.deliver_record(&self.topic, headers, key, data);
        match timeout(STORED_WITHIN, stored).await {
            Ok(stored) => stored.map_err(|error| error.to_string()),
            Err(_elapsed) => Err(format!("no answer within {STORED_WITHIN:?}")),
        }
    }
}
