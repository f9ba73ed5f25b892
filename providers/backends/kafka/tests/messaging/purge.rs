//! What brokers keep for a subscription, dropped.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use wrt_contract::CallContext;
use wrt_kafka::{
    Kafka,
    KafkaGroupProtocol::{Classic, Consumer},
};
use wrt_messaging::MessagingError;
use wrt_runtime::{DeadLetters as _, Subscriptions as _};

use super::support::{A_WHILE, Component, World, gets, send, until};

fn fails_for_poison() -> Component {
    Component::that(|data| (data == "poison").then(|| MessagingError::other("never")))
}

async fn letters(provider: &Kafka) -> usize {
    let context = CallContext::default();
    let listed = provider.list(&context, "handler", None).await;
    listed.expect("a page").letters.len()
}

/// What a subscription keeps at the brokers goes when it is purged, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_begins_anew() {
    for protocol in [Classic, Consumer] {
        let world = World::shared();
        let topic = world.make("orders", 1).await;
        let rounds: [(&[&str], &[&str]); 3] = [
            (&["poison", "good"], &["good"]),
            (&["more"], &["more"]),
            // All begins anew: the poison is given up once more.
            (&[], &["good", "more"]),
        ];
        for (round, (sent, handled)) in rounds.into_iter().enumerate() {
            let target = gets(&topic, |_| {});
            let node = world.node(fails_for_poison(), protocol, target).await;
            let provider = &node.provider;
            for data in sent {
                send(provider, &topic, data).await.expect("it is sent");
            }
            until("they are handled", || {
                node.component.count() >= handled.len()
            })
            .await;
            let given_up = u64::from(handled.contains(&"good"));
            until("the poison is given up", || {
                provider.delivery_counts().dead_lettered == given_up
            })
            .await;
            assert_eq!(letters(provider).await, 1, "{protocol:?} {round}");
            let context = CallContext::default();
            let nobody = provider.end(&context, "nobody").await;
            assert!(nobody.is_err(), "no such component");
            assert_eq!(provider.end(&context, "handler").await, Ok(()));
            let mut all = node.component.handled.lock().clone();
            all.sort_unstable();
            assert_eq!(all, handled, "{protocol:?} {round}");
            if round == 1 {
                let place = world.committed("handler", &topic, 0);
                assert_eq!(place, (Some(3), String::new()), "{protocol:?}");
                for _again in 0..2 {
                    let context = CallContext::with_budget(A_WHILE);
                    assert_eq!(provider.purge(&context, "handler").await, Ok(()));
                    let place = world.committed("handler", &topic, 0);
                    assert_eq!(place, (None, String::new()), "{protocol:?}");
                    assert_eq!(letters(provider).await, 0, "{protocol:?}");
                }
            }
            assert!(node.serving.drain(A_WHILE).await);
        }
    }
}

/// Another node may not be done yet, or was lost a moment ago: its session is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_has_a_member_is_not_dropped() {
    let world = World::shared();
    let topic = world.make("orders", 1).await;
    let target = gets(&topic, |_| {});
    let node = world.node(Component::handles(), Classic, target).await;
    send(&node.provider, &topic, "good")
        .await
        .expect("it is sent");
    until("it is handled", || node.component.count() == 1).await;
    let ended = node.provider.end(&CallContext::default(), "handler").await;
    assert_eq!(ended, Ok(()));
    let mut client = world.client();
    client.set("group.id", format!("{}.handler", world.app));
    client.set("partition.assignment.strategy", "cooperative-sticky");
    let member: BaseConsumer = client.create().expect("a consumer");
    member.subscribe(&[&topic]).expect("it subscribes");
    until("it is a member", || {
        let _none_is_left = member.poll(Duration::from_millis(50));
        member.assignment().is_ok_and(|list| list.count() == 1)
    })
    .await;
    // There is no time to look again.
    let context = CallContext::with_budget(Duration::from_secs(5));
    let refused = node.provider.purge(&context, "handler").await;
    let refused = refused.expect_err("it is not dropped").to_string();
    assert!(refused.contains(".handler is not dropped"), "{refused}");
    assert_eq!(world.committed("handler", &topic, 0).0, Some(1));
    let context = CallContext::with_budget(A_WHILE);
    let (purged, ()) = tokio::join!(node.provider.purge(&context, "handler"), async {
        drop(member);
    });
    assert_eq!(purged, Ok(()));
    assert_eq!(world.committed("handler", &topic, 0).0, None);
}
