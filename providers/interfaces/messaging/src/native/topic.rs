//! Where messages go, and which of them somebody wants.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};
use wrt_contract::Schema;

use crate::{Limit, MessagingError, limits::TOPIC_BYTES_MAX};

/// A topic: words with dots between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Schema)]
#[serde(transparent)]
pub struct Topic(String);

/// The topics that a subscription is for: words with dots between them, of which `*` stands for any one,
/// and a last `>` for any one or more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter(String);

impl Topic {
    /// Checks `text` and makes it a topic.
    ///
    /// # Errors
    /// [`MessagingError::BadTopic`] of what no broker takes; [`Limit::TopicBytes`].
    pub fn new(text: &str) -> Result<Self, MessagingError> {
        Limit::TopicBytes.check(text.len(), TOPIC_BYTES_MAX)?;
        let is_word = |word: &str| is_word(word) && !word.contains(['*', '>']);
        match text.split('.').all(is_word) {
            true => Ok(Self(text.to_owned())),
            false => Err(MessagingError::bad_topic(text)),
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TopicFilter {
    /// Checks `text` and makes it a filter.
    ///
    /// # Errors
    /// As [`Topic::new`].
    pub fn new(text: &str) -> Result<Self, MessagingError> {
        Limit::TopicBytes.check(text.len(), TOPIC_BYTES_MAX)?;
        let words: Vec<_> = text.split('.').collect();
        let is_legal = words.iter().enumerate().all(|(at, word)| match *word {
            "*" => true,
            ">" => at + 1 == words.len(),
            word => is_word(word) && !word.contains(['*', '>']),
        });
        match is_legal {
            true => Ok(Self(text.to_owned())),
            false => Err(MessagingError::bad_topic(text)),
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `topic` is one of those.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        let (mut wanted, mut words) = (self.0.split('.'), topic.0.split('.'));
        loop {
            match (wanted.next(), words.next()) {
                (None, None) | (Some(">"), Some(_)) => return true,
                (Some("*"), Some(_)) => {}
                (Some(wanted), Some(word)) if wanted == word => {}
                _ => return false,
            }
        }
    }

    /// Whether some topic is one of both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.0.split('.'), other.0.split('.'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
                (Some(one), Some(other)) if one == other => {}
                _ => return false,
            }
        }
    }
}

/// Control characters, spaces and empty words would be something else to a broker.
fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// From the bus: somebody else's build may have made it.
impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for TopicFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// As it stands in a variable of the environment.
impl FromStr for TopicFilter {
    type Err = MessagingError;

    fn from_str(text: &str) -> Result<Self, MessagingError> {
        Self::new(text)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_broker_takes_is_no_topic() {
        let long = "x".repeat(TOPIC_BYTES_MAX + 1);
        for (text, topic, filter) in [
            ("a", true, true),
            ("a.b-c_d.$e", true, true),
            ("\u{e9}.\u{1F980}", true, true),
            ("", false, false),
            ("a..b", false, false),
            (".a", false, false),
            ("a.", false, false),
            ("a b", false, false),
            ("a\r\nPUB b", false, false),
            ("a\u{0}", false, false),
            ("a.*", false, true),
            ("a.>", false, true),
            (">", false, true),
            ("a.>.b", false, false),
            ("a*", false, false),
            ("a.b>", false, false),
            (&long, false, false),
        ] {
            assert_eq!(Topic::new(text).is_ok(), topic, "{text:?}");
            assert_eq!(TopicFilter::new(text).is_ok(), filter, "{text:?}");
        }
    }

    #[test]
    fn a_filter_is_for_the_topics_that_it_names() {
        for (filter, topic, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.b.c", "a.b", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("*.b", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
        ] {
            let (filter, topic) = (TopicFilter::new(filter), Topic::new(topic));
            let (filter, topic) = (filter.unwrap(), topic.unwrap());
            assert_eq!(filter.matches(&topic), expected, "{filter} {topic}");
        }
        for (one, other, expected) in [
            ("a.*", "*.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.*", "b.*", false),
            ("a.*.c", "a.b", false),
            (">", "a.b", true),
        ] {
            let [one, other] = [one, other].map(|text| TopicFilter::new(text).unwrap());
            assert_eq!(one.overlaps(&other), expected, "{one} {other}");
            assert_eq!(other.overlaps(&one), expected, "{other} {one}");
        }
    }
}
