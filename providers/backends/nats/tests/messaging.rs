//! The suite of wasi:messaging over a real server, from wherever its provider can be called.

#[path = "messaging/support.rs"]
mod support;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use futures::StreamExt as _;
use support::{World, stream};
use wrt_messaging::{
    MessagingError, MessagingInterface,
    conformance::{self, Fixture},
};
use wrt_protocol::Execution;
use wrt_runtime::DeadLettersInterface;
use wrt_test_kit::everywhere;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_conforms() {
    let world = World::start().await;
    world.make(stream("CONFORMANCE", "conformance.>")).await;
    let (provider, recorder) = world.recorded().await;
    let state = conformance::state(recorder.clone(), support::nobody_else());
    let _serving = support::serve(&provider, &state, vec![conformance::subscription()]).await;
    everywhere::<MessagingInterface>(Arc::clone(&provider) as _, |messaging| {
        conformance::run(Fixture::new(messaging, &recorder))
    })
    .await;

    let counts = provider.delivery_counts();
    // In each of four places one message is given up, after three attempts.
    assert_eq!((counts.dead_lettered, counts.dropped), (4, 0), "{counts:?}");
    assert_eq!(counts.failed, 4 * (3 + 2 + 2), "{counts:?}");
    assert!(
        counts.put_back >= 4 * 9 && counts.redelivered > counts.put_back,
        "{counts:?}"
    );
    let letters = world.letters("dead-letters-", 4).await;
    for letter in letters {
        let headers = letter.headers.as_ref().expect("it says why");
        let told: BTreeMap<_, _> = ["Reason", "Attempts", "Component", "Stream"]
            .map(|name| {
                let header = headers.get(format!("Wrt-Dead-{name}").as_str());
                (
                    name,
                    header
                        .map(|value| value.as_str().to_owned())
                        .unwrap_or_default(),
                )
            })
            .into();
        let expected = [
            ("Reason", "on purpose"),
            ("Attempts", "3"),
            ("Component", "handler"),
            ("Stream", "CONFORMANCE"),
        ];
        let expected = expected.map(|(name, text)| (name, text.to_owned()));
        assert_eq!(told, expected.into());
        let topic = headers.get("Wrt-Dead-Topic").expect("where it was");
        assert!(topic.as_str().starts_with("conformance."), "{topic}");
        assert_eq!(
            (letter.payload.as_ref(), headers.get("fails").is_some()),
            (&b"told"[..], true)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_keeps_dead_letters() {
    let world = World::start().await;
    world.make(stream("CONFORMANCE", "conformance.>")).await;
    let (provider, recorder) = world.recorded().await;
    let state = conformance::state(recorder.clone(), support::nobody_else());
    let _serving = support::serve(&provider, &state, vec![conformance::subscription()]).await;
    everywhere::<DeadLettersInterface>(Arc::clone(&provider) as _, |letters| {
        conformance::dead_letters(Fixture::new(provider.clone(), &recorder), letters)
    })
    .await;
}

/// Other programs speak plain NATS: what they send is handled, and what is sent to them they can read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_programs_see_ordinary_messages() {
    let world = World::start().await;
    let (provider, _) = world.recorded().await;
    let other = async_nats::connect(world.server.url())
        .await
        .expect("connect");
    let mut asked = other.subscribe("service.>").await.expect("subscribe");
    other.flush().await.expect("flush");
    let service = other.clone();
    let answering = tokio::spawn(async move {
        let asked = asked.next().await.expect("a request");
        let headers = asked.headers.expect("headers");
        assert_eq!(
            headers.get("Content-Type").map(|it| it.as_str()),
            Some("text/plain")
        );
        assert_eq!(headers.get("key").map(|it| it.as_str()), Some("value"));
        // It looks like what a stream says, and is a reply: no stream holds the topic.
        let reply = r#"{"stream":"SERVICE","seq":7}"#;
        let address = asked.reply.expect("somebody waits");
        service.publish(address, reply.into()).await.expect("reply");
        service.flush().await.expect("flush");
    });
    let mut message = wrt_messaging::Message::new("question");
    message.content_type = Some("text/plain".to_owned());
    message.metadata = vec![("key".to_owned(), "value".to_owned())];
    // The server may not know of the subscription yet: that another connection has sent it says nothing of it.
    let until = Instant::now() + support::A_WHILE;
    let replies = loop {
        let replies = support::request(&provider, "service.a", &message).await;
        let is_unheard = matches!(&replies, Err(MessagingError::Fault(fault))
            if fault.execution() == Execution::NotExecuted);
        if !is_unheard || Instant::now() > until {
            break replies;
        }
    };
    let answered = tokio::time::timeout(support::A_WHILE, answering).await;
    answered.expect("it is asked").expect("it answers");
    assert_eq!(
        replies.expect("a reply")[0].data,
        r#"{"stream":"SERVICE","seq":7}"#
    );
}
