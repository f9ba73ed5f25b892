use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};
use wrt_contract::{CallContext, Gate, GateLimits, LocalDirectory, Offer, async_trait};
use wrt_protocol::{ActorAddress, Execution, FaultKind};
use wrt_runtime::{LatticeState, Server as _, Serving, Target};
use wrt_test_kit::UnreachableCaller;

use super::*;
use crate::{MessageHandler, conformance};

const A_WHILE: Duration = Duration::from_secs(30);

/// Handles as many messages as it is let.
struct Gated {
    handled: Mutex<Vec<String>>,
    let_in: Semaphore,
}

impl Gated {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            handled: Mutex::default(),
            let_in: Semaphore::new(0),
        })
    }
}

#[async_trait]
impl MessageHandler for Gated {
    async fn handle(&self, _: &CallContext, message: &Message) -> Result<(), MessagingError> {
        let place = self.let_in.acquire().await.expect("it is open");
        place.forget();
        let text = String::from_utf8_lossy(&message.data).into_owned();
        match text.as_str() {
            "poison" => Err(MessagingError::other("on purpose")),
            _ => {
                self.handled.lock().push(text);
                Ok(())
            }
        }
    }
}

fn topic() -> Topic {
    Topic::new("conformance.a").expect("a legal topic")
}

async fn serve(
    provider: &Arc<MessagingDefault>,
    handler: &Arc<Gated>,
    change: impl FnOnce(&mut Subscription),
) -> Box<dyn Serving> {
    let nobody_else = Arc::new(UnreachableCaller(FaultKind::Unavailable));
    let state = conformance::state(Arc::clone(handler) as _, nobody_else);
    let mut target: Target<Subscription> = conformance::subscription();
    change(&mut target.selection);
    let serving = Arc::clone(provider).serve(&state, vec![target]).await;
    serving.expect("it serves")
}

async fn send(provider: &MessagingDefault, data: &str) -> Result<(), MessagingError> {
    let message = Message::new(data.to_owned());
    provider
        .send(&CallContext::default(), &topic(), &message)
        .await
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + A_WHILE;
    while !condition() {
        assert!(Instant::now() < until, "not within {A_WHILE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Nobody else has what waits in memory: it was lost, and its senders had been told that it was kept.
#[tokio::test]
async fn what_waits_when_it_drains_is_handled_and_nothing_more_is_taken() {
    let (provider, handler) = (Arc::new(MessagingDefault::default()), Gated::closed());
    let serving = serve(&provider, &handler, |it| it.in_hand_max = 1).await;
    for data in ["a", "b", "c"] {
        assert_eq!(send(&provider, data).await, Ok(()));
    }
    let mut drained = serving.drain(A_WHILE);
    let is_open = async {
        // Until it takes no more.
        while send(&provider, "late").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut drained => panic!("three wait"),
        () = is_open => {}
    }
    let refused = send(&provider, "later").await;
    let Err(MessagingError::Fault(fault)) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (fault.kind(), fault.execution()),
        (FaultKind::Draining, Execution::NotExecuted)
    );
    handler.let_in.add_permits(1000);
    assert!(drained.await, "it ends when nothing waits");
    assert_eq!(handler.handled.lock()[..3], ["a", "b", "c"]);
    let counts = provider.counts();
    assert_eq!(
        (counts.dropped, counts.handled),
        (0, handler.handled.lock().len() as u64)
    );
}

#[tokio::test]
async fn what_ends_with_its_provider_is_counted() {
    let (provider, handler) = (Arc::new(MessagingDefault::default()), Gated::closed());
    let serving = serve(&provider, &handler, |it| {
        it.in_hand_max = 1;
        it.pause_ms_min = 60_000;
        it.pause_ms_max = 60_000;
    })
    .await;
    handler.let_in.add_permits(1);
    for data in ["poison", "in hand", "waits"] {
        assert_eq!(send(&provider, data).await, Ok(()));
    }
    until("one pauses, one is in hand", || {
        let counts = provider.counts();
        counts.failed == 1 && counts.in_hand == 1
    })
    .await;
    drop(serving);
    until("all three are gone", || provider.counts().dropped == 3).await;
    assert!(send(&provider, "later").await.is_err());
}

/// What is too much for a component waits here, and not at its gate.
#[tokio::test]
async fn no_more_of_a_burst_is_in_hand_than_there_are_permits() {
    const PERMITS: u32 = 4;
    let (provider, handler) = (Arc::<MessagingDefault>::default(), Gated::closed());
    let app = Name::new("conformance").expect("a legal name");
    let mut target: Target<Subscription> = conformance::subscription();
    target.selection.in_hand_max = 64;
    let actor = ActorAddress::component(app.clone(), target.component.clone());
    let limits = GateLimits {
        concurrency_max: PERMITS,
        queue_max: PERMITS,
    };
    let (directory, gate) = (
        Arc::<LocalDirectory>::default(),
        Gate::of_actor(&actor, limits),
    );
    let offered: Arc<dyn MessageHandler> = Arc::clone(&handler) as _;
    Offer::new::<MessageHandlerInterface>(offered, &gate).install(&directory, &actor);
    let nobody_else = Arc::new(UnreachableCaller(FaultKind::Unavailable));
    let state = LatticeState::new(app, directory, nobody_else);
    let serving = Arc::clone(&provider).serve(&state, vec![target]).await;
    let _serving = serving.expect("it serves");
    for at in 0..10 * PERMITS {
        send(&provider, &at.to_string()).await.expect("sent");
    }
    for done in 0..10 * PERMITS {
        let in_hand = PERMITS.min(10 * PERMITS - done);
        until("the permits are used", || gate.load().running == in_hand).await;
        let load = gate.load();
        assert_eq!((load.waiting, load.refused), (0, 0), "{load:?}");
        handler.let_in.add_permits(1);
        let handled = done as usize + 1;
        until("one is handled", || handler.handled.lock().len() == handled).await;
    }
    assert_eq!(provider.counts().put_back, 0);
}
