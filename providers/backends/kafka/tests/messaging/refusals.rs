//! What is refused, and how it is told.

use wrt_contract::CallContext;
use wrt_kafka::{ConnectError, Kafka, KafkaConfig};
use wrt_messaging::{
    DeliveryMode, Limit, Message, Messaging as _, MessagingError, ReplyTo, RequestOptions, Topic,
    TopicFilter,
};
use wrt_protocol::Execution;
use wrt_runtime::{Backend as _, Server as _, ServiceAddress};

use super::support::{Component, World, gets, send, try_serve};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_there_is_refused_unless_it_may_be_made() {
    let world = World::shared();
    let made = world.topic("made");
    let config = KafkaConfig {
        create_topics: vec![TopicFilter::new(&made).expect("legal")],
        ..world.config()
    };
    let provider = world.connect(config).await;
    let state = world.state(&std::sync::Arc::new(Component::handles()));
    let missing = world.topic("missing");
    for filter in [missing.clone(), world.topic("missing.*")] {
        let refused = try_serve(&provider, &state, gets(&filter, |_| {}))
            .await
            .err();
        let refused = refused.expect("nobody keeps it");
        let is_told = matches!(refused, ConnectError::NoTopic { .. });
        assert!(is_told && Kafka::is_for_good(&refused), "{refused}");
        let text = refused.to_string();
        assert!(
            text.contains(&filter) && text.contains("at-most-once"),
            "{text}"
        );
        let at_most_once = gets(&filter, |it| it.delivery = DeliveryMode::AtMostOnce);
        assert!(try_serve(&provider, &state, at_most_once).await.is_ok());
    }
    assert!(
        try_serve(&provider, &state, gets(&made, |_| {}))
            .await
            .is_ok()
    );
    let sent = send(&provider, &missing, "x").await;
    assert_eq!(sent, Err(MessagingError::NoStream(missing.as_str().into())));
    assert_eq!(send(&provider, &made, "x").await, Ok(()));
    assert_eq!(world.letters(&made, 1).await.len(), 1);

    let topic = Topic::new(&missing).expect("legal");
    let (context, options) = (CallContext::default(), RequestOptions::default());
    let asked = provider
        .request(&context, &topic, &Message::new("x"), options)
        .await;
    let Err(MessagingError::Fault(fault)) = &asked else {
        panic!("{asked:?}");
    };
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_does_not_hold_is_refused_before_it_is_sent() {
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let config = KafkaConfig {
        message_bytes_max: 2000,
        ..world.config()
    };
    let provider = world.connect(config).await;
    let sent = send(&provider, &topic, &"x".repeat(3000)).await;
    let Err(MessagingError::OverLimit { limit, actual, max }) = sent else {
        panic!("{sent:?}");
    };
    assert!(
        limit == Limit::DataBytes && actual == 3000 && max < 2000,
        "{max}"
    );
    for name in ["__consumer_offsets", "caf\u{e9}.x", "$orders"] {
        let sent = send(&provider, name, "x").await;
        assert!(
            matches!(sent, Err(MessagingError::BadTopic(_))),
            "{name}: {sent:?}"
        );
    }
    for address in [
        "_INBOX.nothing",
        "_INBOX.__consumer_offsets#1",
        "__consumer_offsets",
        "two words",
    ] {
        let to = ReplyTo {
            address: address.to_owned(),
            link: "default".to_owned(),
        };
        let replied = provider
            .reply(&CallContext::default(), &to, &Message::default())
            .await;
        let is_denied = matches!(replied, Err(MessagingError::PermissionDenied(_)));
        assert!(is_denied, "{address}: {replied:?}");
    }
    for (filter, is_refused) in [
        (">", true),
        ("*.a", true),
        ("__consumer_offsets", true),
        ("caf\u{e9}", true),
        ("a.*.b.>", false),
    ] {
        let selection = gets(filter, |_| {}).selection;
        assert_eq!(
            Kafka::check_selections(&[selection]).is_err(),
            is_refused,
            "{filter}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_and_a_file_that_is_none_are_told() {
    let port = wrt_test_servers::free_port().expect("a port");
    let away = KafkaConfig {
        brokers: ServiceAddress::new(format!("127.0.0.1:{port}")),
        connect_timeout_ms: 1000,
        ..KafkaConfig::default()
    };
    let refused = Kafka::connect_with(away.clone())
        .await
        .expect_err("nobody is there");
    let is_told = matches!(refused, ConnectError::Unreachable { .. });
    assert!(is_told && !Kafka::is_for_good(&refused), "{refused}");
    assert!(refused.to_string().contains("refused"), "{refused}");
    let no_file = KafkaConfig {
        authority_file: Some("/nobody/has/this.pem".into()),
        ..away
    };
    let refused = Kafka::connect_with(no_file)
        .await
        .expect_err("it is no file");
    let is_told = matches!(refused, ConnectError::Settings { .. });
    assert!(is_told && Kafka::is_for_good(&refused), "{refused}");
}
