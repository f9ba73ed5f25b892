//! A message, as a test sees it.

use serde::de::DeserializeOwned;
use wrt_messaging::Topic;

use crate::{Error, Result};

/// A message that a component has sent, or gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Where it was sent to. Of a reply nothing.
    pub topic: String,
    /// Its data.
    pub data: Vec<u8>,
    /// The format of its data.
    pub content_type: Option<String>,
    /// What stands beside its data.
    pub metadata: Vec<(String, String)>,
}

impl Message {
    /// One with data, and nothing else.
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Its data as text; what is no UTF-8 has U+FFFD there.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// Its data as JSON.
    ///
    /// # Errors
    /// Where it is none, or no `T`: with all of it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.data).map_err(|error| {
            let text = self.text();
            Error::new(format!("another message than expected: {error}: {text}"))
        })
    }

    pub(crate) fn seen(topic: Option<&Topic>, message: &wrt_messaging::Message) -> Self {
        Self {
            topic: topic.map(ToString::to_string).unwrap_or_default(),
            data: message.data.to_vec(),
            content_type: message.content_type.clone(),
            metadata: message.metadata.clone(),
        }
    }

    pub(crate) fn into_sent(self) -> wrt_messaging::Message {
        wrt_messaging::Message {
            data: self.data.into(),
            content_type: self.content_type,
            metadata: self.metadata,
            ..wrt_messaging::Message::default()
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::new(data)
    }
}
