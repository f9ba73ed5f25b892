//! What there is no room for stays with the brokers.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use wrt_contract::GateLimits;

use super::support::{A_WHILE, Component, World, gets, send_all, try_serve};

const PERMITS: u32 = 4;
const BURST: usize = 10 * PERMITS as usize;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_of_a_burst_is_in_hand_than_there_are_permits() {
    let world = World::shared();
    let topic = world.make("orders", 3).await;
    let provider = world.connect(world.config()).await;
    send_all(&provider, &topic, (0..BURST).map(|at| at.to_string())).await;
    let slow = |_: &str| Duration::from_millis(100);
    let component = Arc::new(Component::that_takes(slow));
    let limits = GateLimits {
        concurrency_max: PERMITS,
        queue_max: PERMITS,
    };
    let (state, gate) = world.gated(&component, limits);
    let target = gets(&topic, |it| it.in_hand_max = 64);
    let serving = try_serve(&provider, &state, target).await;
    let _serving = serving.expect("it serves");
    let (until, mut most) = (Instant::now() + A_WHILE, 0);
    while component.count() < BURST {
        most = most.max(provider.delivery_counts().in_hand);
        assert!(Instant::now() < until, "{} are handled", component.count());
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(most, PERMITS, "the permits are used, and no more");
    let (counts, load) = (provider.delivery_counts(), gate.load());
    assert_eq!((counts.put_back, load.refused), (0, 0), "{counts:?}");
    assert!(component.times().values().all(|times| *times == 1));
}
