//! What a subscription is.

use super::{
    Fixture,
    recorder::{ATTEMPTS_MAX, FAILS, REFUSES},
};
use crate::Message;

/// Far more than may be in hand.
const BURST: usize = 200;

fn told(key: &str, count: u32) -> Message {
    let mut message = Message::new("told");
    message.metadata = vec![(key.to_owned(), count.to_string())];
    message
}

pub(super) async fn a_failed_attempt_is_repeated(fixture: Fixture) {
    let topic = fixture.topic("fails");
    let message = told(FAILS, ATTEMPTS_MAX - 1);
    fixture.send(&topic, &message).await;
    let [handled] = fixture.recorder.handled(&topic).await;
    assert_eq!(
        (handled.data, handled.metadata),
        (message.data, message.metadata)
    );
    assert_eq!(fixture.recorder.calls(&topic), ATTEMPTS_MAX);
}

/// An outage must not use up the attempts.
pub(super) async fn what_did_not_run_is_no_attempt(fixture: Fixture) {
    let topic = fixture.topic("refuses");
    fixture.send(&topic, &told(REFUSES, 3 * ATTEMPTS_MAX)).await;
    let [_handled] = fixture.recorder.handled(&topic).await;
    assert_eq!(fixture.recorder.calls(&topic), 3 * ATTEMPTS_MAX + 1);
}

pub(super) async fn a_message_that_always_fails_holds_up_no_other(fixture: Fixture) {
    let (poison, behind) = (fixture.topic("poison"), fixture.topic("behind"));
    fixture.send(&poison, &told(FAILS, u32::MAX)).await;
    fixture.send(&behind, &Message::new("behind")).await;
    let [_handled] = fixture.recorder.handled(&behind).await;
    fixture.recorder.called(&poison, ATTEMPTS_MAX).await;
    // A message that takes as many pauses as it had: it would have been called again by now.
    let later = fixture.topic("later");
    fixture.send(&later, &told(FAILS, ATTEMPTS_MAX - 1)).await;
    let [_handled] = fixture.recorder.handled(&later).await;
    assert_eq!(
        fixture.recorder.calls(&poison),
        ATTEMPTS_MAX,
        "it was given up"
    );
}

pub(super) async fn each_message_of_a_burst_is_handled(fixture: Fixture) {
    let topic = fixture.topic("burst");
    let message = |at: usize| Message::new(at.to_string());
    let messages: Vec<_> = (0..BURST).map(message).collect();
    let sends = messages.iter().map(|message| fixture.send(&topic, message));
    futures::future::join_all(sends).await;
    let handled = fixture.recorder.handled::<BURST>(&topic).await;
    let mut numbers: Vec<usize> = handled
        .iter()
        .map(|message| {
            let text = std::str::from_utf8(&message.data).expect("a number");
            text.parse().expect("a number")
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..BURST).collect::<Vec<_>>());
}
