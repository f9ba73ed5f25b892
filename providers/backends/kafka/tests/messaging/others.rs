//! What others do to topics and partitions: they make them anew, send what this provider would not, and take
//! partitions and give them back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rdkafka::{
    admin::{AdminOptions, NewTopic, TopicReplication},
    message::{Header, Message as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio::time::{Instant, sleep};
use wrt_contract::CallContext;
use wrt_kafka::KafkaGroupProtocol::{self, Classic, Consumer};
use wrt_messaging::{Message, Messaging as _, MessagingError, Topic, carry_trace};
use wrt_protocol::TraceContext;

use super::support::{A_WHILE, Component, World, gets, header, send, send_all, until};

const PROTOCOLS: [KafkaGroupProtocol; 2] = [Classic, Consumer];

/// Whoever reads the topic goes on with the trace in which a component has sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_names_its_place_in_the_trace() {
    const PLACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let provider = world.connect(world.config()).await;
    let place = TraceContext::parse(PLACE, Some("a=1"));
    let context = CallContext::default().with_trace(place);
    let mut message = Message::new("a chair");
    carry_trace(&mut message, &context);
    let named = Topic::new(&topic).expect("a legal topic");
    let sent = provider.send(&context, &named, &message).await;
    sent.expect("it is acknowledged");
    let record = world.letters(&topic, 1).await.remove(0);
    assert_eq!(record.payload(), Some(&b"a chair"[..]));
    assert_eq!(header(&record, "traceparent"), PLACE);
    assert_eq!(header(&record, "tracestate"), "a=1");
}

/// Fails when the offsets of a topic that was made anew are taken for those that were handled already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    for protocol in PROTOCOLS {
        let world = World::shared();
        let topic = world.make("orders", 1).await;
        let node = world
            .node(Component::handles(), protocol, gets(&topic, |_| {}))
            .await;
        send_all(&node.provider, &topic, (0..10).map(|it| it.to_string())).await;
        until("they are handled", || node.component.count() == 10).await;
        until("they are committed", || {
            world.committed("handler", &topic, 0).0 == Some(10)
        })
        .await;
        let (admin, options) = (world.admin(), AdminOptions::new());
        let deleted = admin.delete_topics(&[&topic], &options).await;
        deleted
            .expect("an answer")
            .remove(0)
            .expect("it is deleted");
        let began = Instant::now();
        loop {
            let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
            let made = admin.create_topics(&[new], &options).await;
            if made.expect("an answer").remove(0).is_ok() {
                break;
            }
            assert!(began.elapsed() < A_WHILE, "it is not made anew");
            sleep(Duration::from_millis(20)).await;
        }
        for data in ["a", "b", "c"] {
            while let Err(error) = send(&node.provider, &topic, data).await {
                assert!(began.elapsed() < A_WHILE, "{error}");
                sleep(Duration::from_millis(50)).await;
            }
        }
        until("those of the new one are handled", || {
            let times = node.component.times();
            ["a", "b", "c"].iter().all(|data| times.contains_key(*data))
        })
        .await;
    }
}

/// Fails when a partition stands still that was paused when this node gave it up, and has come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_comes_back_is_read() {
    for protocol in PROTOCOLS {
        let world = World::shared();
        let topic = world.make("orders", 4).await;
        let is_held_up = Arc::new(AtomicBool::new(true));
        let waits = Arc::clone(&is_held_up);
        let busy = Component::that_takes(move |_| match waits.load(Relaxed) {
            true => Duration::from_secs(2),
            false => Duration::ZERO,
        });
        let target = || gets(&topic, |it| it.in_hand_max = 1);
        let first = world.node(busy, protocol, target()).await;
        // It has no room for the others, and pauses what it has.
        send_all(&first.provider, &topic, (0..40).map(|it| it.to_string())).await;
        until("one is in hand", || {
            first.component.at_once.load(Relaxed) == 1
        })
        .await;
        let second = world.node(Component::handles(), protocol, target()).await;
        until("the second has a share", || second.component.count() > 0).await;
        is_held_up.store(false, Relaxed);
        let all = |expected: usize| {
            let mut times = first.component.times();
            times.extend(second.component.times());
            times.len() == expected
        };
        until("all are handled", || all(40)).await;
        assert!(second.serving.drain(A_WHILE).await, "it lets go");
        let began = Instant::now();
        // Every partition gets some of them.
        send_all(&first.provider, &topic, (40..120).map(|it| it.to_string())).await;
        until("also those of what has come back", || all(120)).await;
        println!("{protocol:?}: after {:?}", began.elapsed());
    }
}

/// Fails when what another program has sent, and this provider would not, stays in its topic for ever since
/// it is no dead letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_others_have_sent_can_be_a_dead_letter() {
    let world = World::shared();
    let topic = world.topic("orders");
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    world.make_as(new.set("max.message.bytes", "3000000")).await;
    let fails = Component::that(|_| Some(MessagingError::other("never")));
    let node = world.node(fails, Classic, gets(&topic, |_| {})).await;
    let mut client = world.client();
    let producer: FutureProducer = client
        .set("message.max.bytes", "3000000")
        .create()
        .expect("a producer");
    let key = [0xff_u8, 0, 0xfe];
    let data = vec![7_u8; 2_000_000];
    let headers = OwnedHeaders::new().insert(Header {
        key: "what",
        value: Some(&[0xff_u8]),
    });
    let record = FutureRecord::to(&topic)
        .key(&key[..])
        .payload(&data[..])
        .headers(headers);
    let sent = producer.send_result(record).expect("it is sent").await;
    sent.expect("an answer").expect("it is acknowledged");
    until("it is a dead letter", || {
        node.provider.delivery_counts().dead_lettered == 1
    })
    .await;
    let letters = format!("{}.handler", world.config().dead_letter_topic);
    let letter = world.letters(&letters, 1).await.remove(0);
    assert_eq!(letter.key(), Some(&key[..]));
    assert!(letter.payload() == Some(&data[..]), "as it came");
}
