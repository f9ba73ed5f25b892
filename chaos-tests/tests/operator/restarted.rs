//! NATS is restarted and keeps its streams, or dies and comes back late.
//!
//! Calls go on when it is back (`bus.rs` looks at them closely), and so does deploying; nobody is told
//! of trouble that is over.

use super::site::{STARTED, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deploying_goes_on() -> anyhow::Result<()> {
    let site = Site::start().await?;
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
