//! What a provider is told of the messages that a component gets.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use serde::Deserialize;
use wrt_protocol::Name;
use wrt_runtime::{SelectionError, Target};

use crate::{
    Delivery, Message, TopicFilter,
    limits::{ATTEMPTS, HANDLER_TIMEOUT_MS, IN_HAND, SUBSCRIBED_TOPICS_MAX},
};

/// The messages that a component gets: what stands beside `component` in a manifest's `calls`. Times are
/// in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subscription {
    /// The topics; `*` stands for any word and a last `>` for any words. All of them by default.
    pub topics: Vec<TopicFilter>,
    /// How hard it is tried.
    pub delivery: DeliveryMode,
    /// Whether one waits for another.
    pub order: Order,
    /// The entry of a message's metadata that is its key. One without it has no order.
    pub key: Option<String>,
    /// Messages in hand at a time, on each node where the provider runs.
    pub in_hand_max: u32,
    /// Attempts that may fail until a message is given up.
    pub attempts_max: u32,
    /// The pause after the first attempt that has failed; each further one is twice as long.
    pub pause_ms_min: u64,
    /// The longest pause.
    pub pause_ms_max: u64,
    /// What a handler may take for one message.
    pub handler_timeout_ms: u64,
    /// The component's link to this provider, or to another one of the same broker: replies go by it.
    pub reply_link: Name,
}

/// How hard it is tried that each message is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryMode {
    /// Until its handler has returned ok. Replicas of the provider share the messages.
    #[default]
    AtLeastOnce,
    /// Once, if at all. Replicas of the provider share the messages.
    AtMostOnce,
    /// Once, if at all, by each replica of the provider.
    Broadcast,
}

/// Whether a message waits for another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// No: a message that is tried again is handled behind later ones.
    #[default]
    None,
    /// For those of the same key: one at a time, in the order in which they were sent, and each until it is
    /// handled or given up.
    Key,
}

impl Default for Subscription {
    fn default() -> Self {
        Self {
            topics: vec![TopicFilter::new(">").expect("a legal filter")],
            delivery: DeliveryMode::AtLeastOnce,
            order: Order::None,
            key: None,
            in_hand_max: 16,
            attempts_max: 5,
            pause_ms_min: 1000,
            pause_ms_max: 60_000,
            handler_timeout_ms: 30_000,
            reply_link: Name::new("default").expect("a legal name"),
        }
    }
}

impl Subscription {
    /// How its messages are handed over.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery {
            mode: self.delivery,
            attempts_max: self.attempts_max,
            pause_min: Duration::from_millis(self.pause_ms_min),
            pause_max: Duration::from_millis(self.pause_ms_max),
        }
    }

    /// By what a message is in order; none where it is in none.
    #[must_use]
    pub fn key_of<'a>(&self, message: &'a Message) -> Option<&'a str> {
        let key = self.key.as_ref().filter(|_| self.order == Order::Key)?;
        let mut entries = message.metadata.iter();
        let entry = entries.find(|(name, _)| name == key);
        entry.map(|(_, value)| value.as_str())
    }

    /// What a handler may take.
    #[must_use]
    pub fn handler_timeout(&self) -> Duration {
        Duration::from_millis(self.handler_timeout_ms)
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn check_all(subscriptions: &[Self]) -> Result<(), SelectionError> {
        for (at, subscription) in subscriptions.iter().enumerate() {
            subscription
                .check()
                .map_err(|(field, message)| SelectionError {
                    at,
                    field: Some(field),
                    message,
                })?;
        }
        Ok(())
    }

    /// The component that is named twice, if one is: it has one place in its topics' queues.
    #[must_use]
    pub fn named_twice(targets: &[Target<Self>]) -> Option<&Name> {
        let mut known = BTreeSet::new();
        let mut names = targets.iter().map(|target| &target.component);
        names.find(|name| !known.insert(*name))
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let pauses = 1..=HANDLER_TIMEOUT_MS.end().to_owned();
        within("in_hand_max", self.in_hand_max.into(), &IN_HAND)?;
        within("attempts_max", self.attempts_max.into(), &ATTEMPTS)?;
        within("pause_ms_min", self.pause_ms_min, &pauses)?;
        within("pause_ms_max", self.pause_ms_max, &pauses)?;
        if self.pause_ms_min > self.pause_ms_max {
            let message = format!(
                "{}: the longest pause, pause_ms_max, is {}",
                self.pause_ms_min, self.pause_ms_max
            );
            return Err(("pause_ms_min", message));
        }
        within(
            "handler_timeout_ms",
            self.handler_timeout_ms,
            &HANDLER_TIMEOUT_MS,
        )?;
        self.check_order()?;
        if self.topics.is_empty() || self.topics.len() > SUBSCRIBED_TOPICS_MAX {
            let count = self.topics.len();
            let message = format!("{count} topics: use 1 to {SUBSCRIBED_TOPICS_MAX}");
            return Err(("topics", message));
        }
        for (at, topic) in self.topics.iter().enumerate() {
            let mut before = self.topics[..at].iter();
            if let Some(other) = before.find(|other| other.overlaps(topic)) {
                let message = format!("{other} and {topic} have topics in common");
                return Err(("topics", message));
            }
        }
        Ok(())
    }
}

impl Subscription {
    fn check_order(&self) -> Result<(), (&'static str, String)> {
        let told = |field, text: &str| Err((field, text.to_owned()));
        match (self.order, self.key.as_deref()) {
            (Order::None, None) => Ok(()),
            (Order::None, Some(_)) => told("key", "it means something with `order = \"key\"`"),
            (Order::Key, None | Some("")) => told(
                "order",
                "name the entry of metadata that is the key, with `key`",
            ),
            (Order::Key, Some(_)) if self.delivery != DeliveryMode::AtLeastOnce => {
                told("order", "what is handled once, if at all, has no order")
            }
            (Order::Key, Some(_)) => Ok(()),
        }
    }
}

fn within(
    field: &'static str,
    value: u64,
    range: &RangeInclusive<u64>,
) -> Result<(), (&'static str, String)> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err((
            field,
            format!("{value}: use {} to {}", range.start(), range.end()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Subscription, String> {
        let read: Result<Subscription, _> = toml::from_str(text);
        let read = read.map_err(|error| error.message().to_owned())?;
        let checked = Subscription::check_all(std::slice::from_ref(&read));
        checked.map(|()| read).map_err(|error| error.message)
    }

    #[test]
    fn a_selection_that_makes_no_sense_is_refused() {
        assert_eq!(read(""), Ok(Subscription::default()));
        let read_all = read("topics = ['a', 'b.*']\ndelivery = 'broadcast'\nreply_link = 'bus'");
        assert_eq!(read_all.unwrap().delivery, DeliveryMode::Broadcast);
        for text in [
            "topics = []",
            "topics = ['a..b']",
            "topics = ['a.>', 'a.b']",
            "topics = ['a.*.x', 'a.b.*']",
            "in_hand_max = 0",
            "in_hand_max = 1000000",
            "attempts_max = 0",
            "pause_ms_min = 0",
            "pause_ms_min = 200\npause_ms_max = 100",
            "handler_timeout_ms = 0",
            "delivery = 'exactly-once'",
            "order = 'key'",
            "key = 'customer'",
            "order = 'key'\nkey = ''",
            "order = 'key'\nkey = 'customer'\ndelivery = 'broadcast'",
            "topic = 'a'",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
