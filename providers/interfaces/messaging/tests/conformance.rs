//! The suite over the default, from wherever it can be called, and the WIT.

use std::{sync::Arc, time::Duration};

use wrt_contract::Interface;
use wrt_messaging::{
    MessageHandler, MessageHandlerInterface, MessagingDefault, MessagingInterface, WasiMessaging,
    conformance::{self, Fixture, Ordered, Recorder},
};
use wrt_protocol::FaultKind;
use wrt_runtime::{DeadLettersInterface, Server as _, Serving};
use wrt_test_kit::{
    Served::{By, Locally},
    TwoNodes, UnreachableCaller, WitCoverage, by_default, everywhere,
};

const OF_A_HANDLE: &str = "a message and a client are values of the host";

const COVERAGE: WitCoverage = WitCoverage {
    folders: &[
        "../../../wit/deps/messaging-0.2.0-draft",
        "../../../wit/deps/wasmcloud-messaging-0.2.0",
    ],
    // Exports, by which components are called.
    not_served: &["incoming-handler", "handler"],
    table: &[
        (
            "types.[static]client.connect",
            Locally("looking up the link is all there is to it"),
        ),
        ("types.[method]client.disconnect", Locally(OF_A_HANDLE)),
        ("types.[constructor]message", Locally(OF_A_HANDLE)),
        ("types.[method]message.topic", Locally(OF_A_HANDLE)),
        ("types.[method]message.content-type", Locally(OF_A_HANDLE)),
        (
            "types.[method]message.set-content-type",
            Locally(OF_A_HANDLE),
        ),
        ("types.[method]message.data", Locally(OF_A_HANDLE)),
        ("types.[method]message.set-data", Locally(OF_A_HANDLE)),
        ("types.[method]message.metadata", Locally(OF_A_HANDLE)),
        ("types.[method]message.add-metadata", Locally(OF_A_HANDLE)),
        ("types.[method]message.set-metadata", Locally(OF_A_HANDLE)),
        (
            "types.[method]message.remove-metadata",
            Locally(OF_A_HANDLE),
        ),
        (
            "request-reply.[constructor]request-options",
            Locally("an argument of `request`"),
        ),
        (
            "request-reply.[method]request-options.set-timeout-ms",
            By("request"),
        ),
        (
            "request-reply.[method]request-options.set-expected-replies",
            By("request"),
        ),
        ("consumer.publish", By("send")),
    ],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_conforms() {
    let provider = by_default::<MessagingDefault>().await;
    let recorder = Recorder::replying_by(provider.clone());
    let _serving = serve(&provider, recorder.clone()).await;
    everywhere::<MessagingInterface>(provider.clone(), |messaging| {
        conformance::run(Fixture::new(messaging, &recorder))
    })
    .await;
    let counts = provider.counts();
    // In each of four places a message is given up.
    assert_eq!((counts.in_hand, counts.dead_lettered), (0, 4), "{counts:?}");
    assert!(
        counts.put_back > 0 && counts.redelivered > counts.put_back,
        "{counts:?}"
    );
    // In each of four places: what is given up after three attempts, and two that take two more.
    assert_eq!(counts.failed, 4 * (3 + 2 + 2), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_keeps_dead_letters() {
    let provider = by_default::<MessagingDefault>().await;
    let recorder = Recorder::replying_by(provider.clone());
    let _serving = serve(&provider, recorder.clone()).await;
    everywhere::<DeadLettersInterface>(provider.clone(), |letters| {
        conformance::dead_letters(Fixture::new(provider.clone(), &recorder), letters)
    })
    .await;
}

/// What a component gets, and what follows from its answers, is the same where a bus lies in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_conforms_with_its_handler_on_another_node() {
    let provider = by_default::<MessagingDefault>().await;
    let recorder = Recorder::replying_by(provider.clone());
    let nodes = TwoNodes::over_nats().await;
    let elsewhere = nodes
        .serve::<MessageHandlerInterface>(recorder.clone())
        .await;
    let _serving = serve(&provider, elsewhere).await;
    conformance::run(Fixture::new(provider, &recorder)).await;
    assert!(nodes.dispatched() > 0, "the messages went over the bus");
}

async fn serve(
    provider: &Arc<MessagingDefault>,
    handler: Arc<dyn MessageHandler>,
) -> Box<dyn Serving> {
    let nobody_else = Arc::new(UnreachableCaller(FaultKind::Unavailable));
    let state = conformance::state(handler, nobody_else);
    let targets = vec![conformance::subscription()];
    let serving = Arc::clone(provider).serve(&state, targets).await;
    serving.expect("it serves")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_keeps_the_order_of_a_key() {
    let provider = by_default::<MessagingDefault>().await;
    let handler = Arc::new(Ordered::default());
    let nobody_else = Arc::new(UnreachableCaller(FaultKind::Unavailable));
    let state = conformance::state(handler.clone(), nobody_else);
    let targets = vec![conformance::ordered_subscription()];
    let serving = Arc::clone(&provider).serve(&state, targets).await;
    let serving = serving.expect("it serves");
    conformance::order_by_key(provider.clone(), handler).await;
    assert!(serving.drain(Duration::from_secs(30)).await);
    assert_eq!(provider.counts().dropped, 0);
}

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    COVERAGE.check::<WasiMessaging, MessagingInterface>();
}

/// A request may have been answered by somebody who did something.
#[test]
fn what_must_not_run_twice_is_not_idempotent() {
    let operations = MessagingInterface::OPERATIONS.iter();
    let tried_again = operations.filter(|operation| operation.idempotent || operation.keyed);
    let tried_again: Vec<_> = tried_again
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(tried_again, ["send"]);
}
