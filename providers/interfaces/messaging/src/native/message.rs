//! What is sent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{
    Limit, MessagingError, Topic,
    limits::{DATA_BYTES_MAX, METADATA_BYTES_MAX, METADATA_ENTRIES_MAX},
};

/// A message. Bytes, and what is said of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Message {
    /// Its data.
    pub data: Bytes,
    /// The topic that it came in on.
    pub topic: Option<Topic>,
    /// The format of its data.
    pub content_type: Option<String>,
    /// What stands beside its data. None is the same as none in it.
    pub metadata: Vec<(String, String)>,
    /// Where a reply to it goes, if its sender has said so.
    pub reply_to: Option<ReplyTo>,
}

/// Where a reply goes: to one who waits for it, or to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct ReplyTo {
    /// A topic, or in the words of the broker where somebody waits.
    pub address: String,
    /// The handler's link that leads to that broker. Empty in what is sent.
    pub link: String,
}

/// How the address of one who waits for replies begins, whatever the broker. No topic of a guest does.
pub const INBOX: &str = "_INBOX.";

impl ReplyTo {
    /// Whether somebody waits there, and it is no topic.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.address.starts_with(INBOX)
    }
}

impl Message {
    /// A message with this data, and nothing else.
    #[must_use]
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Its size, for limits: data, content type and metadata.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len() + self.metadata_bytes()
    }

    fn metadata_bytes(&self) -> usize {
        let of_entries = self.metadata.iter();
        let of_entries: usize = of_entries.map(|(key, value)| key.len() + value.len()).sum();
        of_entries + self.content_type.as_ref().map_or(0, String::len)
    }

    /// Refuses what not every broker can carry as it is.
    ///
    /// # Errors
    /// [`MessagingError::OverLimit`]; [`MessagingError::BadMetadata`] of a name that is not visible ASCII
    /// without `:`, or a value with a line's end, a NUL, or white space around it.
    pub fn check(&self) -> Result<(), MessagingError> {
        Limit::DataBytes.check(self.data.len(), DATA_BYTES_MAX)?;
        Limit::MetadataEntries.check(self.metadata.len(), METADATA_ENTRIES_MAX)?;
        Limit::MetadataBytes.check(self.metadata_bytes(), METADATA_BYTES_MAX)?;
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b':')
        };
        let is_value = |text: &str| !text.contains(['\r', '\n', '\0']) && text.trim() == text;
        let entries = self.metadata.iter();
        let mut bad = entries.filter(|(key, value)| !is_name(key) || !is_value(value));
        if let Some((key, _)) = bad.next() {
            return Err(MessagingError::bad_metadata(key));
        }
        match self
            .content_type
            .as_deref()
            .is_some_and(|text| !is_value(text))
        {
            true => Err(MessagingError::bad_metadata("content-type")),
            false => Ok(()),
        }
    }

    /// Adds an entry in place of those of the same name.
    pub fn add_metadata(&mut self, key: String, value: String) {
        self.remove_metadata(&key);
        self.metadata.push((key, value));
    }

    /// Removes the entries of a name.
    pub fn remove_metadata(&mut self, key: &str) {
        self.metadata.retain(|(known, _)| known != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_not_every_broker_carries_is_refused() {
        let with = |key: &str, value: &str| {
            let mut message = Message::new("x");
            message.metadata = vec![(key.to_owned(), value.to_owned())];
            message.check().is_ok()
        };
        for (key, value, expected) in [
            ("key", "", true),
            ("key", "two words, \u{1F980}", true),
            ("Nats-Msg-Id", "7", true),
            ("", "x", false),
            ("two words", "x", false),
            ("a:b", "x", false),
            ("\u{e9}", "x", false),
            ("key", "a\r\nOther: b", false),
            ("key", " x", false),
            ("key", "x\u{0}", false),
        ] {
            assert_eq!(with(key, value), expected, "{key:?} {value:?}");
        }
        let mut message = Message::new("x");
        message.content_type = Some("text/plain\n".to_owned());
        assert!(message.check().is_err());
    }

    #[test]
    fn an_entry_that_is_added_takes_the_place_of_its_namesakes() {
        let mut message = Message::default();
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        message.metadata = vec![entry("a", "1"), entry("b", "2"), entry("a", "3")];
        message.add_metadata("a".to_owned(), "4".to_owned());
        assert_eq!(message.metadata, [entry("b", "2"), entry("a", "4")]);
        message.remove_metadata("b");
        assert_eq!(message.metadata, [entry("a", "4")]);
    }
}
