//! What every provider of the interface does, as code: what its clients are promised, and what a
//! subscription is.
//!
//! The provider MUST serve the component `handler` of [`state`] with [`subscription`]; so each case sees
//! what was handled, and says with a message's metadata what its handler is to do.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use wrt_messaging::{Messaging, MessagingDefault, conformance};
//! # use wrt_runtime::Server;
//! # async fn example(caller: Arc<dyn wrt_contract::Caller>) {
//! let provider = Arc::new(MessagingDefault::default());
//! let recorder = conformance::Recorder::replying_by(provider.clone());
//! let state = conformance::state(recorder.clone(), caller);
//! let _serving = provider.clone().serve(&state, vec![conformance::subscription()]).await;
//! conformance::run(conformance::Fixture::new(provider, &recorder)).await;
//! # }
//! ```

mod letters;
mod order;
mod recorder;
mod requests;
mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use wrt_conformance::unique_name;
use wrt_contract::CallContext;

use crate::{
    Limit, Message, Messaging, MessagingError, Topic,
    limits::{DATA_BYTES_MAX, DATA_BYTES_PORTABLE, METADATA_BYTES_MAX, METADATA_ENTRIES_MAX},
};
pub use letters::dead_letters;
pub use order::{KEY, Ordered, order_by_key, ordered_subscription};
pub use recorder::{Recorder, state, subscription};
use requests::{
    a_request_gathers_as_many_replies_as_it_expects, a_request_gathers_replies_until_its_time,
    a_request_gets_its_reply, a_request_that_is_handed_on_is_replied_to_by_another,
    a_request_that_nobody_hears_has_not_run, a_request_without_a_reply_times_out,
    replies_go_to_the_topic_that_a_message_names,
};
use subscriptions::{
    a_failed_attempt_is_repeated, a_message_that_always_fails_holds_up_no_other,
    each_message_of_a_burst_is_handled, what_did_not_run_is_no_attempt,
};

/// What a case works with. Cheap to clone.
#[derive(Clone)]
pub struct Fixture {
    messaging: Arc<dyn Messaging>,
    recorder: Arc<Recorder>,
}

impl Fixture {
    /// Sends by `messaging` what `recorder` gets.
    #[must_use]
    pub fn new(messaging: Arc<dyn Messaging>, recorder: &Arc<Recorder>) -> Self {
        Self {
            messaging,
            recorder: Arc::clone(recorder),
        }
    }

    /// A topic of a case alone, that the recorder gets.
    fn topic(&self, case: &str) -> Topic {
        let topic = format!("{}.{}", recorder::TOPICS, unique_name(case, 64));
        Topic::new(&topic).expect("a legal topic")
    }

    async fn try_send(&self, topic: &Topic, message: &Message) -> Result<(), MessagingError> {
        let context = CallContext::default();
        self.messaging.send(&context, topic, message).await
    }

    async fn send(&self, topic: &Topic, message: &Message) {
        let sent = self.try_send(topic, message).await;
        sent.unwrap_or_else(|error| panic!("send to {topic}: {error}"));
    }
}

wrt_conformance::suite! {
    Fixture:
    a_message_comes_as_it_was_sent,
    data_of_any_size_comes_whole,
    what_not_every_broker_carries_is_refused,
    a_failed_attempt_is_repeated,
    what_did_not_run_is_no_attempt,
    a_message_that_always_fails_holds_up_no_other,
    each_message_of_a_burst_is_handled,
    a_request_gets_its_reply,
    a_request_gathers_as_many_replies_as_it_expects,
    a_request_gathers_replies_until_its_time,
    a_request_without_a_reply_times_out,
    a_request_that_nobody_hears_has_not_run,
    a_request_that_is_handed_on_is_replied_to_by_another,
    replies_go_to_the_topic_that_a_message_names,
}

/// Names that brokers use themselves are among them.
fn entries() -> Vec<(String, String)> {
    let entries = [
        ("key", "two words, \u{e9} and \u{1F980}"),
        ("empty", ""),
        ("same", "1"),
        ("same", "2"),
        ("Same", "3"),
        ("Content-Type", "of the guest"),
        ("Nats-Msg-Id", "1"),
        ("nats-expected-stream", "none"),
        ("Wrt-Reply-To", "nobody"),
        ("Wrt-Metadata-x", "y"),
        ("!#$%&'*+-.^_`|~", "=\"\\;,%0D%0A"),
    ];
    let entries = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
    entries.to_vec()
}

/// Entries of one name keep their order, those of different names have none.
fn sorted(mut entries: Vec<(String, String)>) -> Vec<(String, String)> {
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries
}

async fn a_message_comes_as_it_was_sent(fixture: Fixture) {
    let topic = fixture.topic("as_it_was_sent");
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut message = Message::new(all_bytes);
    message.content_type = Some("application/x; charset=\"utf-8\"".to_owned());
    message.metadata = entries();
    fixture.send(&topic, &message).await;
    let [handled] = fixture.recorder.handled(&topic).await;
    assert_eq!(handled.topic.as_ref(), Some(&topic));
    assert_eq!(handled.data, message.data);
    assert_eq!(handled.content_type, message.content_type);
    assert_eq!(sorted(handled.metadata), sorted(message.metadata));

    let bare = fixture.topic("bare");
    fixture.send(&bare, &Message::default()).await;
    let [handled] = fixture.recorder.handled(&bare).await;
    let nothing = (
        handled.data.len(),
        handled.content_type,
        handled.metadata.len(),
    );
    assert_eq!(nothing, (0, None, 0));
}

async fn data_of_any_size_comes_whole(fixture: Fixture) {
    for bytes in [1, 64 * 1024, DATA_BYTES_PORTABLE] {
        let topic = fixture.topic("size");
        let data: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        fixture.send(&topic, &Message::new(data.clone())).await;
        let [handled] = fixture.recorder.handled(&topic).await;
        assert!(handled.data == data, "{bytes} bytes are others");
    }
}

async fn what_not_every_broker_carries_is_refused(fixture: Fixture) {
    let topic = fixture.topic("refused");
    let with = |entries: Vec<(String, String)>| {
        let mut message = Message::new("x");
        message.metadata = entries;
        message
    };
    for (key, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a:b", "x"),
        ("a", "x\r\ny: z"),
        ("a", " x"),
    ] {
        let message = with(vec![(key.to_owned(), value.to_owned())]);
        let sent = fixture.try_send(&topic, &message).await;
        let is_told = matches!(sent, Err(MessagingError::BadMetadata(_)));
        assert!(is_told, "{key:?} {value:?}: {sent:?}");
    }
    let entry = |value: usize| ("key".to_owned(), "x".repeat(value));
    let large = Message::new(Bytes::from(vec![0; DATA_BYTES_MAX + 1]));
    for (message, expected) in [
        (large, Limit::DataBytes),
        (with(vec![entry(METADATA_BYTES_MAX)]), Limit::MetadataBytes),
        (
            with(vec![entry(1); METADATA_ENTRIES_MAX + 1]),
            Limit::MetadataEntries,
        ),
    ] {
        let sent = fixture.try_send(&topic, &message).await;
        let is_told =
            matches!(sent, Err(MessagingError::OverLimit { limit, .. }) if limit == expected);
        assert!(is_told, "{expected}: {sent:?}");
    }
    fixture.send(&topic, &Message::new("legal")).await;
    let [handled] = fixture.recorder.handled(&topic).await;
    assert_eq!(handled.data, "legal", "nothing else was sent");
}
