//! What order by key is.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use wrt_conformance::unique_name;
use wrt_contract::{CallContext, async_trait};
use wrt_runtime::Target;

use super::recorder::{self, COMES_WITHIN};
use crate::{Message, MessageHandler, Messaging, MessagingError, Order, Subscription, Topic};

/// The entry of metadata that is the key: what a record of Kafka has as its own.
pub const KEY: &str = "key";
const KEYS: usize = 8;
const OF_EACH_KEY: usize = 25;
/// Those of each key whose first attempt fails.
const FAILS_EVERY: usize = 7;

/// A component that knows in which order it was given messages, and which were in its hand together. Some
/// fail when they come first.
#[derive(Debug, Default)]
pub struct Ordered {
    keys: Mutex<HashMap<String, OfKey>>,
    without_key: AtomicUsize,
    without_key_most: AtomicUsize,
    changed: Notify,
}

#[derive(Debug, Default)]
struct OfKey {
    in_hand: usize,
    in_hand_most: usize,
    failed: Vec<String>,
    /// As they succeeded first.
    handled: Vec<String>,
}

impl Ordered {
    /// Numbers of a key, in the order in which they were handled first.
    #[must_use]
    pub fn handled(&self, key: &str) -> Vec<String> {
        let keys = self.keys.lock();
        keys.get(key)
            .map(|of| of.handled.clone())
            .unwrap_or_default()
    }
}

/// A message of a key is in hand, until this is dropped: also where its handler is stopped.
struct InHand<'a>(&'a Ordered, &'a str);

impl<'a> InHand<'a> {
    fn take(ordered: &'a Ordered, key: &'a str) -> Self {
        let mut keys = ordered.keys.lock();
        let of = keys.entry(key.to_owned()).or_default();
        of.in_hand += 1;
        of.in_hand_most = of.in_hand_most.max(of.in_hand);
        Self(ordered, key)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(of) = self.0.keys.lock().get_mut(self.1) {
            of.in_hand -= 1;
        }
    }
}

fn key_of(message: &Message) -> Option<String> {
    let mut entries = message.metadata.iter();
    let entry = entries.find(|(name, _)| name == KEY);
    entry.map(|(_, key)| key.clone())
}

#[async_trait]
impl MessageHandler for Ordered {
    async fn handle(&self, _: &CallContext, message: &Message) -> Result<(), MessagingError> {
        let number = String::from_utf8_lossy(&message.data).into_owned();
        let Some(key) = key_of(message) else {
            let together = self.without_key.fetch_add(1, Relaxed) + 1;
            self.without_key_most.fetch_max(together, Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.without_key.fetch_sub(1, Relaxed);
            return Ok(());
        };
        let in_hand = InHand::take(self, &key);
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(in_hand);
        let mut keys = self.keys.lock();
        let of = keys.entry(key).or_default();
        let fails = number
            .parse::<usize>()
            .is_ok_and(|it| it % FAILS_EVERY == 3);
        if fails && !of.failed.contains(&number) {
            of.failed.push(number);
            return Err(MessagingError::other("on purpose"));
        }
        if !of.handled.contains(&number) {
            of.handled.push(number);
        }
        drop(keys);
        self.changed.notify_waiters();
        Ok(())
    }
}

/// What the component `handler` gets: all topics of the suite, one of each key at a time.
#[must_use]
pub fn ordered_subscription() -> Target<Subscription> {
    let target = recorder::subscription();
    Target {
        selection: Subscription {
            order: Order::Key,
            key: Some(KEY.to_owned()),
            ..target.selection
        },
        ..target
    }
}

/// What every provider that keeps an order does: it serves `handler` with [`ordered_subscription`]. Some
/// messages fail at first: what comes behind one waits, and what has another key does not.
///
/// # Panics
/// Where it does something else.
pub async fn order_by_key(messaging: Arc<dyn Messaging>, handler: Arc<Ordered>) {
    let topic = format!("{}.{}", recorder::TOPICS, unique_name("order", 64));
    let topic = Topic::new(&topic).expect("a legal topic");
    let send = async |key: Option<&str>, data: String| {
        let mut message = Message::new(data);
        message.metadata = key
            .map(|key| (KEY.to_owned(), key.to_owned()))
            .into_iter()
            .collect();
        let context = CallContext::default().for_operation();
        let sent = messaging.send(&context, &topic, &message);
        sent.await.unwrap_or_else(|error| panic!("send: {error}"));
    };
    let keys: Vec<_> = (0..KEYS)
        .map(|at| unique_name(&at.to_string(), 64))
        .collect();
    for number in 0..OF_EACH_KEY {
        for key in &keys {
            send(Some(key), number.to_string()).await;
        }
        send(None, number.to_string()).await;
    }
    let all = async {
        while keys
            .iter()
            .any(|key| handler.handled(key).len() < OF_EACH_KEY)
        {
            let changed = handler.changed.notified();
            let _again = tokio::time::timeout(Duration::from_millis(20), changed).await;
        }
    };
    let came = tokio::time::timeout(COMES_WITHIN, all).await;
    assert!(
        came.is_ok(),
        "not all are handled: {:?}",
        handler.keys.lock()
    );
    let expected: Vec<_> = (0..OF_EACH_KEY).map(|number| number.to_string()).collect();
    let known = handler.keys.lock();
    for key in &keys {
        let of = &known[key];
        assert_eq!(of.handled, expected, "the order of {key}");
        assert_eq!(of.in_hand_most, 1, "in hand together of {key}");
        assert!(!of.failed.is_empty(), "some have failed");
    }
    let together = handler.without_key_most.load(Relaxed);
    assert!(together > 1, "without a key there is no order");
}
