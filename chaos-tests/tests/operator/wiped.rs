//! JetStream loses everything: its disk was replaced.
//!
//! What runs goes on, on every node, whoever is restarted or joins and whatever else is deployed or
//! removed. The log of each node and `wrt ps` say so. `wrt up` restores, and `wrt down` removes.

use super::site::{STARTED, Site};

/// Each of these stopped every app on every node within seconds, and no line said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_runs_goes_on_and_is_told() -> anyhow::Result<()> {
    let site = Site::start().await?;
    tokio::task::block_in_place(|| site.cluster.nats().wipe())?;
    site.shows_held("probe", &Site::NODES).await?;
    site.is_told("a", "lattice default has no desired state")?;

    // Somebody removes an app that never was.
    let told = site.wrt_fails(&["down", "blog"])?;
    anyhow::ensure!(told.contains("no app blog is deployed"), "{told}");
    // Somebody removes this one, from a desired state that is not there.
    let told = site.wrt_fails(&["down", "probe"])?;
    anyhow::ensure!(told.contains("has no desired state any more"), "{told}");
    let streams = site
        .jetstream()
        .await?
        .get_stream("KV_wrt-default-desired")
        .await;
    anyhow::ensure!(streams.is_err(), "`wrt down` or a node has made the bucket");
    site.serves().await?;

    // A node is started again, and one joins.
    site.restarts_node("a")?;
    tokio::task::block_in_place(|| site.cluster.start_node("b"))?;
    site.shows_held("probe", &Site::NODES).await?;
    site.serves_within(STARTED).await?;

    // Another app makes the bucket anew.
    site.deploys_another()?;
    site.is_told("edge", "nobody has removed it")?;
    let status = site.shows_held("probe", &Site::NODES).await?;
    anyhow::ensure!(status.replica("a", "component/counter/counter").is_some());
    site.serves().await?;
    let ps = site.wrt(&["ps"])?;
    anyhow::ensure!(
        ps.contains("app probe stays as it was last known on a, edge"),
        "{ps}"
    );

    // What a node keeps was not overwritten with nothing.
    site.restarts_node("edge")?;
    site.restarts_node("a")?;
    site.shows_held("probe", &Site::NODES).await?;
    site.serves_within(STARTED).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn up_restores_and_down_removes() -> anyhow::Result<()> {
    let site = Site::start().await?;
    tokio::task::block_in_place(|| site.cluster.nats().wipe())?;
    site.shows_held("probe", &Site::NODES).await?;
    let manifest = site.cluster.folder().join("app.toml");
    site.wrt(&["up", &manifest.to_string_lossy()])?;
    site.shows_no_trouble().await?;
    site.serves().await?;

    // Once more, and now it is removed from a desired state that does not have it.
    tokio::task::block_in_place(|| site.cluster.nats().wipe())?;
    site.deploys_another()?;
    site.shows_held("probe", &Site::NODES).await?;
    site.wrt(&["down", "probe"])?;
    let status = site.shows_no_trouble().await?;
    anyhow::ensure!(status.replica("a", "component/probe/probe").is_none());
    anyhow::ensure!(site.serves().await.is_err(), "it is removed");
    Ok(())
}

/// The stream is emptied, and its keys are gone without a mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_that_is_emptied_removes_nothing() -> anyhow::Result<()> {
    let site = Site::start().await?;
    site.bucket().await?.stream.purge().await?;
    site.shows_held("probe", &Site::NODES).await?;
    site.serves().await?;
    // A mark removes, whoever leaves it.
    site.bucket().await?.delete("probe").await?;
    site.shows("it is removed", |status| {
        status.replica("a", "component/probe/probe").is_none()
    })
    .await?;
    Ok(())
}
