//! The owner of a subscription in order is lost.

pub mod play;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::time::sleep;
use wrt_chaos_tests::Scene;

use self::play::{CUSTOMERS, Layout, Play};
use super::brokers::Broker;

const LAYOUT: Layout = Layout {
    nodes: &["a", "b", "c"],
    mail_on: &["a", "b"],
    // So there are some in hand at any time.
    takes_ms: 40,
};
const PAUSE: Duration = Duration::from_millis(100);
const FAULT_AFTER: Duration = Duration::from_millis(1500);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// What the owner had is another's within this time.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(5);

/// Orders of a customer are handled in their order, although the node that has them in hand is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    killed_with(Broker::Nats).await
}

/// The same where a group shares partitions out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_with_kafka() -> anyhow::Result<()> {
    killed_with(Broker::kafka()?).await
}

/// The same when it stands still, with some in hand, and goes on when another has gone on with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    stopped_with(Broker::Nats).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_with_kafka() -> anyhow::Result<()> {
    stopped_with(Broker::kafka()?).await
}

async fn killed_with(broker: Broker) -> anyhow::Result<()> {
    let play = Play::begin(broker, &LAYOUT).await?;
    let (of_each, owner) =
        lose_owner(&play, |scene, owner| Ok(scene.cluster.kill_node(owner)?)).await?;
    play.all_are_in_order(of_each, &format!("killed {owner}"))
        .await
}

async fn stopped_with(broker: Broker) -> anyhow::Result<()> {
    let play = Play::begin(broker, &LAYOUT).await?;
    let (of_each, owner) =
        lose_owner(&play, |scene, owner| Ok(scene.cluster.pause_node(owner)?)).await?;
    play.all_are_in_order(of_each, &format!("stopped {owner}"))
        .await?;
    play.scene.cluster.resume_node(&owner)?;
    play.scene.is_ready(&["a", "b", "c"]).await?;
    play.all_are_in_order(of_each, &format!("{owner} goes on"))
        .await
}

/// Places orders of each customer, one after the other, while the owner is lost. What was placed before is
/// handled soon. Answers how many orders there are of each, and who was lost.
async fn lose_owner(
    play: &Play,
    harm: impl Fn(&Scene, &str) -> anyhow::Result<()>,
) -> anyhow::Result<(usize, String)> {
    let (mut of_each, mut lost, mut taken_over) = (0, None::<(Instant, String, usize)>, None);
    // The first order is handled when somebody owns the subscription.
    play.place(of_each).await?;
    of_each += 1;
    play.has_handled(CUSTOMERS).await?;
    let began = Instant::now();
    while began.elapsed() < FAULT_AFTER + AFTERWARDS || taken_over.is_none() {
        play.place(of_each).await?;
        of_each += 1;
        if let Some((at, _, before)) = &lost {
            anyhow::ensure!(
                at.elapsed() < 2 * TAKEN_OVER_WITHIN,
                "nobody has taken over"
            );
            if taken_over.is_none() && play.all_are_handled(*before).await? {
                taken_over = Some(at.elapsed());
            }
        } else if began.elapsed() >= FAULT_AFTER {
            let owner = play.owner().await?;
            // It has them in hand when it is lost.
            play.place(of_each).await?;
            of_each += 1;
            sleep(LAYOUT.takes() / 2).await;
            harm(&play.scene, &owner)?;
            lost = Some((Instant::now(), owner, of_each));
        }
        sleep(PAUSE).await;
    }
    let (_, owner, _) = lost.context("the fault")?;
    let taken_over = taken_over.context("a takeover")?;
    println!("{owner} is lost: what was placed before is handled after {taken_over:?}");
    anyhow::ensure!(taken_over < TAKEN_OVER_WITHIN, "{taken_over:?}");
    Ok((of_each, owner))
}
