//! The glue as a guest meets it, without a guest.

use std::sync::Arc;

use super::{
    super::tests::{Mirror, instance},
    consumer::Host as _,
    *,
};

fn message(subject: &str, reply_to: Option<&str>) -> BrokerMessage {
    BrokerMessage {
        subject: subject.to_owned(),
        body: b"!".to_vec(),
        reply_to: reply_to.map(str::to_owned),
    }
}

fn to(address: &str, link: &str) -> ReplyTo {
    ReplyTo {
        address: address.to_owned(),
        link: link.to_owned(),
    }
}

/// What is sent, what is replied, and by which link.
#[tokio::test]
async fn what_is_published_is_a_message_or_a_reply() {
    let (default, bus): (Arc<Mirror>, Arc<Mirror>) = (Arc::default(), Arc::default());
    let mut state = instance(&[("default", &default), ("bus", &bus)]);
    let mut asked = Message::new("?");
    asked.topic = Some(Topic::new("orders.ask").expect("a topic"));
    asked.reply_to = Some(to("answers.of.a", "bus"));
    let shown = taken_in_hand(&mut state, asked);
    assert_eq!(
        (&*shown.subject, &shown.body[..], shown.reply_to.as_deref()),
        ("orders.ask", &b"?"[..], Some("answers.of.a"))
    );
    for subject in ["answers.of.a", "_INBOX.7", "orders.seen"] {
        let published = state.publish(message(subject, None)).await;
        assert_eq!(published.expect("no trap"), Ok(()), "{subject}");
    }
    assert_eq!(bus.replied(), ["answers.of.a"]);
    assert_eq!(
        (default.replied(), default.topics()),
        (vec!["_INBOX.7".to_owned()], vec!["orders.seen".to_owned()])
    );
}

/// What the message in hand says is another invocation's no more.
#[tokio::test]
async fn a_topic_for_replies_is_a_topic_to_everybody_else() {
    let default: Arc<Mirror> = Arc::default();
    let mut state = instance(&[("default", &default)]);
    taken_in_hand(&mut state, Message::new("none waits"));
    let published = state.publish(message("answers.of.a", None)).await;
    assert_eq!(published.expect("no trap"), Ok(()));
    assert_eq!(default.topics(), ["answers.of.a"]);
}

#[tokio::test]
async fn where_replies_go_is_said_with_a_message() {
    let default: Arc<Mirror> = Arc::default();
    let mut state = instance(&[("default", &default)]);
    for address in ["answers", "_INBOX.7"] {
        let published = state.publish(message("orders", Some(address))).await;
        assert_eq!(published.expect("no trap"), Ok(()));
        let sent = default.last().reply_to;
        assert_eq!(sent, Some(to(address, "")));
    }
    for address in ["", "a..b", "a.>", "a b"] {
        let published = state.publish(message("orders", Some(address))).await;
        let told = published.expect("no trap").expect_err("no topic");
        assert!(told.contains("is no topic"), "{told}");
    }
    assert_eq!(default.topics().len(), 2);
}

#[tokio::test]
async fn a_request_is_answered_with_one_reply_or_in_words() {
    let default: Arc<Mirror> = Arc::default();
    let mut state = instance(&[("default", &default)]);
    let asked = state.request("prices".to_owned(), b"apple".to_vec(), 7);
    let reply = asked.await.expect("no trap").expect("a reply");
    assert_eq!((&reply.body[..], &*reply.subject), (&b"apple"[..], ""));
    let options = default.asked().expect("it was asked");
    assert_eq!(options.timeout, Some(Duration::from_millis(7)));
    assert_eq!(options.expected_replies, Some(1));
    let asked = state.request("a b".to_owned(), Vec::new(), 7).await;
    let told = asked.expect("no trap").map(|reply| reply.subject);
    assert!(told.expect_err("no topic").contains("is no topic"));

    let mut state = instance(&[("bus", &default)]);
    for told in [
        state.publish(message("orders", None)).await,
        state
            .request("orders".to_owned(), Vec::new(), 7)
            .await
            .map(|asked| asked.map(drop)),
    ] {
        let told = told.expect("no trap").expect_err("no such link");
        assert!(told.contains("no link \"default\""), "{told}");
    }
}
