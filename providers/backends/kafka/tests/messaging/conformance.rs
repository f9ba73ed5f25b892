//! The suite of wasi:messaging over a real broker, and what another client of the broker sees.

use std::sync::Arc;

use super::support::{A_WHILE, World, header, nobody_else, try_serve, until};
use rdkafka::message::Message as _;
use wrt_contract::CallContext;
use wrt_kafka::{Kafka, KafkaConfig};
use wrt_messaging::{
    MessagingInterface, TopicFilter,
    conformance::{self, Fixture, Recorder},
};
use wrt_runtime::{DeadLetterPage, DeadLetters as _, DeadLettersInterface, Serving};
use wrt_test_kit::{TwoNodes, everywhere};

/// A provider that hands what the suite sends to a recorder.
async fn serves_the_suite(world: &World) -> (Arc<Kafka>, Arc<Recorder>, Box<dyn Serving>) {
    let config = KafkaConfig {
        create_topics: vec![TopicFilter::new("conformance.>").expect("legal")],
        ..world.config()
    };
    let (provider, recorder) = world.recorded(config).await;
    let state = conformance::state(recorder.clone(), nobody_else());
    let serving = try_serve(&provider, &state, conformance::subscription()).await;
    (provider, recorder, serving.expect("it serves"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms() {
    let world = World::shared();
    let (provider, recorder, _serving) = serves_the_suite(&world).await;
    let nodes = TwoNodes::over_nats().await;
    let elsewhere = nodes
        .serve::<MessagingInterface>(Arc::clone(&provider) as _)
        .await;
    // Beside the provider and behind the bus, at the same time: they share nothing but the provider.
    tokio::join!(
        conformance::run(Fixture::new(Arc::clone(&provider) as _, &recorder)),
        conformance::run(Fixture::new(elsewhere, &recorder)),
    );
    assert!(nodes.dispatched() > 0, "the calls went over the bus");

    let counts = provider.delivery_counts();
    // In each of two places one message is given up, after three attempts.
    assert_eq!((counts.dead_lettered, counts.dropped), (2, 0), "{counts:?}");
    assert_eq!(counts.failed, 2 * (3 + 2 + 2), "{counts:?}");
    let topic = format!("{}.handler", world.config().dead_letter_topic);
    for letter in world.letters(&topic, 2).await {
        let told = ["Reason", "Attempts", "Component", "Offset"];
        let told = told.map(|name| header(&letter, &format!("Wrt-Dead-{name}")));
        assert_eq!(told, ["on purpose", "3", "handler", "0"]);
        let topic = header(&letter, "Wrt-Dead-Topic");
        assert!(topic.starts_with("conformance."), "{topic}");
        assert_eq!(letter.payload(), Some(&b"told"[..]));
    }
}

/// Nothing of those that are gone is kept, as soon as none before them is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_keeps_dead_letters() {
    // The suite's topics are the same in every app.
    let world = World::alone();
    let (provider, recorder, _serving) = serves_the_suite(&world).await;
    everywhere::<DeadLettersInterface>(Arc::clone(&provider) as _, |letters| {
        conformance::dead_letters(Fixture::new(provider.clone(), &recorder), letters)
    })
    .await;
    let context = CallContext::default();
    let listed = provider.list(&context, "handler", None).await;
    assert_eq!(listed, Ok(DeadLetterPage::default()));
    let topic = format!("{}.handler", world.config().dead_letter_topic);
    let client = world.admin();
    let is_empty = || {
        let marks = client.inner().fetch_watermarks(&topic, 0, A_WHILE);
        let (begin, end) = marks.expect("an answer");
        begin > 0 && begin == end
    };
    until("all of it is deleted", is_empty).await;
}
