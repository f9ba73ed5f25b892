//! NATS is restarted and keeps its streams, or dies and comes back late.
//!
//! Calls go on when it is back (`bus.rs` looks at them closely), and so does deploying; nobody is told
//! of trouble that is over.

use std::time::Duration;

use super::site::{STARTED, Site};

/// Longer than a call is tried again where somebody has refused it, shorter than its time.
const AWAY: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deploying_goes_on() -> anyhow::Result<()> {
    let site = Site::start().await?;
    while_it_is_away(&site).await?;
    for _time in 0..2 {
        tokio::task::block_in_place(|| site.cluster.nats().restart())?;
        site.shows_no_trouble().await?;
        site.serves_within(STARTED).await?;
        site.deploys_another()?;
        site.wrt(&["down", "counter"])?;
        site.serves().await?;
    }
    Ok(())
}

/// A call that could not be sent is sent when it is back. The bug: it ended *not executed* after 1.3 s.
async fn while_it_is_away(site: &Site) -> anyhow::Result<()> {
    let nats = site.cluster.nats();
    tokio::task::block_in_place(|| nats.kill())?;
    site.is_told("edge", "lost the connection to NATS")?;
    let back = async {
        tokio::time::sleep(AWAY).await;
        Ok(tokio::task::block_in_place(|| nats.restart())?)
    };
    let (served, back): (_, anyhow::Result<()>) = tokio::join!(site.serves(), back);
    back?;
    served
}
