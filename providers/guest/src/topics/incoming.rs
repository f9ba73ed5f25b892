//! A message that came in.

use serde::{Serialize, de::DeserializeOwned};

use super::{Failure, json_message};
use crate::messaging::{Message, reply};

/// A message that came in, with its data.
#[derive(Debug)]
pub struct Incoming {
    message: Message,
    topic: String,
    data: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(message: Message) -> Self {
        let (topic, data) = (message.topic().unwrap_or_default(), message.data());
        Self {
            message,
            topic,
            data,
        }
    }

    /// The topic that it was sent to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// A word of the topic, counted from 0: of `orders.7.placed` the word 1 is `7`.
    #[must_use]
    pub fn word(&self, at: usize) -> Option<&str> {
        self.topic.split('.').nth(at)
    }

    /// Its data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Its data as text.
    ///
    /// # Errors
    /// Where it is no UTF-8.
    pub fn text(&self) -> Result<&str, Failure> {
        Ok(str::from_utf8(&self.data)?)
    }

    /// Its data as JSON, whatever its content type: not every broker keeps one.
    ///
    /// # Errors
    /// Where it is no `T`, with the line and the column.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        Ok(serde_json::from_slice(&self.data)?)
    }

    /// The first entry of that name beside its data.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<String> {
        let entries = self.message.metadata()?;
        let entry = entries.into_iter().find(|(known, _)| known == name);
        entry.map(|(_, value)| value)
    }

    /// Replies to it with a value as JSON, to wherever its sender waits.
    ///
    /// # Errors
    /// A value that cannot be JSON, a message whose sender wants no reply, and what the broker says.
    pub fn reply_json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        Ok(reply(&self.message, json_message(value)?)?)
    }

    /// The message itself, for what is not here.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }
}
