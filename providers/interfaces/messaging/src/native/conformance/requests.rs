//! Requests and their replies.

use std::time::{Duration, Instant};

use wrt_conformance::unique_name;
use wrt_contract::CallContext;
use wrt_protocol::Execution;

use super::{
    Fixture, entries,
    recorder::{COUNT, REPLIED_FROM, REPLIES},
    sorted,
};
use crate::{Message, MessagingError, ReplyTo, RequestOptions, Topic};

const SHORT: Duration = Duration::from_millis(400);
/// Far more than an answer takes.
const LONG: Duration = Duration::from_secs(20);

impl Fixture {
    async fn request(
        &self,
        case: &str,
        replies: u32,
        options: RequestOptions,
    ) -> Result<Vec<Message>, MessagingError> {
        let mut message = Message::new("question");
        message.content_type = Some("text/plain".to_owned());
        message.metadata = entries();
        message.add_metadata(REPLIES.to_owned(), replies.to_string());
        let (context, topic) = (CallContext::with_budget(2 * LONG), self.topic(case));
        self.messaging
            .request(&context, &topic, &message, options)
            .await
    }
}

pub(super) async fn a_request_gets_its_reply(fixture: Fixture) {
    let replies = fixture.request("reply", 1, RequestOptions::default()).await;
    let mut replies = replies.expect("a reply");
    assert_eq!(replies.len(), 1);
    let mut reply = replies.remove(0);
    assert_eq!(reply.data, "question");
    assert_eq!(reply.content_type.as_deref(), Some("text/plain"));
    reply.remove_metadata(COUNT);
    reply.remove_metadata(REPLIES);
    assert_eq!(sorted(reply.metadata), sorted(entries()));
}

pub(super) async fn a_request_gathers_as_many_replies_as_it_expects(fixture: Fixture) {
    let options = RequestOptions {
        expected_replies: Some(2),
        timeout: Some(LONG),
    };
    let started = Instant::now();
    let replies = fixture.request("expects", 3, options).await;
    assert_eq!(replies.expect("replies").len(), 2);
    assert!(started.elapsed() < LONG, "it waited for its time");
}

pub(super) async fn a_request_gathers_replies_until_its_time(fixture: Fixture) {
    // Long enough for a slow machine to have replied.
    for (expected_replies, time) in [(None, 5 * SHORT), (Some(9), 5 * SHORT)] {
        let options = RequestOptions {
            expected_replies,
            timeout: Some(time),
        };
        let started = Instant::now();
        let replies = fixture.request("until", 3, options).await;
        assert_eq!(replies.expect("replies").len(), 3);
        assert!(started.elapsed() >= time, "there may be more until then");
    }
}

/// Whoever hands a request on hands on where its sender waits.
pub(super) async fn a_request_that_is_handed_on_is_replied_to_by_another(fixture: Fixture) {
    let (topic, other) = (fixture.topic("handed_on"), fixture.topic("other"));
    let mut message = Message::new("question");
    for (key, value) in [(REPLIED_FROM, other.as_str()), (REPLIES, "1")] {
        message.add_metadata(key.to_owned(), value.to_owned());
    }
    let context = CallContext::with_budget(2 * LONG);
    let options = RequestOptions::default();
    let asked = fixture
        .messaging
        .request(&context, &topic, &message, options);
    let replies = asked.await.expect("a reply");
    assert_eq!(replies.len(), 1);
    assert_eq!(fixture.recorder.calls(&other), 1, "the other one replied");
}

/// A message that is sent may name a topic for replies.
pub(super) async fn replies_go_to_the_topic_that_a_message_names(fixture: Fixture) {
    let (topic, replies) = (fixture.topic("named"), fixture.topic("replies"));
    let mut message = Message::new("question");
    message.add_metadata(REPLIES.to_owned(), "2".to_owned());
    message.reply_to = Some(ReplyTo {
        address: replies.to_string(),
        link: String::new(),
    });
    fixture.send(&topic, &message).await;
    let [handled] = fixture.recorder.handled(&topic).await;
    let to = handled.reply_to.expect("it was said");
    assert_eq!((&*to.address, &*to.link), (replies.as_str(), "default"));
    for reply in fixture.recorder.handled::<2>(&replies).await {
        assert_eq!((&reply.data[..], reply.reply_to), (&b"question"[..], None));
    }
}

/// That the broker has the message is no reply.
pub(super) async fn a_request_without_a_reply_times_out(fixture: Fixture) {
    let options = RequestOptions {
        timeout: Some(SHORT),
        ..RequestOptions::default()
    };
    let replies = fixture.request("silence", 0, options).await;
    assert_eq!(replies, Err(MessagingError::Timeout));
}

pub(super) async fn a_request_that_nobody_hears_has_not_run(fixture: Fixture) {
    let topic = Topic::new(&unique_name("nobody", 32)).expect("a legal topic");
    let (context, message) = (CallContext::default(), Message::new("question"));
    let options = RequestOptions::default();
    let replies = fixture
        .messaging
        .request(&context, &topic, &message, options)
        .await;
    let Err(MessagingError::Fault(fault)) = &replies else {
        panic!("{replies:?}");
    };
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
}
