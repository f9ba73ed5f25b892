//! The owner of a work stands still for longer than its lease, and a handler that it has called as well.

use std::time::{Duration, Instant};

use tokio::{task::block_in_place, time::sleep};

use super::{
    brokers::Broker,
    ordered_messages::play::{CUSTOMERS, Layout, Play},
};

/// The handlers run apart from who owns the subscription: so they stand still or go on by themselves.
const LAYOUT: Layout = Layout {
    nodes: &["a", "b", "c", "d", "e"],
    mail_on: &["d", "e"],
    takes_ms: 1000,
};
const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];
const OF_EACH: usize = 8;
const SOON: Duration = Duration::from_secs(20);

/// What a handler does that was called by the last owner comes to nothing once the next one has called: it is
/// refused by whoever has seen that, although the handler, its node and its call are all in good health. And
/// orders are handled in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn its_late_calls_are_refused() -> anyhow::Result<()> {
    let play = Play::begin(Broker::Nats, &LAYOUT).await?;
    for number in 0..OF_EACH {
        play.place(number).await?;
    }
    play.has_handled(CUSTOMERS).await?;

    let owner = play.owner().await?;
    has_in_hand(&play, "d").await?;
    let cluster = &play.scene.cluster;
    cluster.pause_node("d")?;
    cluster.pause_node(&owner)?;
    let stopped = Instant::now();
    while play.owner().await.ok().is_none_or(|now| now == owner) {
        anyhow::ensure!(stopped.elapsed() < SOON, "{owner} owns it still");
        sleep(Duration::from_millis(50)).await;
    }
    // At most one of each customer is of the last owner.
    let before = play.handled().await?.len();
    play.has_handled(before + CUSTOMERS + 1).await?;
    let after = stopped.elapsed();
    let fenced = block_in_place(|| cluster.status())?.fenced();

    cluster.resume_node("d")?;
    let more = |status: &wrt_chaos_tests::LatticeStatus| status.fenced() > fenced;
    let status = play.scene.shows("a late call is refused", more).await?;
    println!(
        "stopped for {after:?}: {fenced} late calls were refused before it went on, and {} then",
        status.fenced() - fenced
    );

    cluster.resume_node(&owner)?;
    play.scene.is_ready(&NODES).await?;
    play.place(OF_EACH).await?;
    play.all_are_in_order(OF_EACH + 1, "all go on").await
}

/// Waits until handlers on a node have something to do.
async fn has_in_hand(play: &Play, node: &str) -> anyhow::Result<()> {
    let running = |status: &wrt_chaos_tests::LatticeStatus| {
        let mail = status.replica(node, "mail");
        mail.is_some_and(|mail| mail.running >= 2)
    };
    let what = format!("{node} handles orders");
    play.scene.shows(&what, running).await?;
    Ok(())
}
