//! JetStream has no room left: others have taken all of it.
//!
//! What runs goes on, and nodes start. `wrt up` says what is full and what to raise, and leaves nothing
//! of what it could not store. `wrt down` works: it makes the room for its mark itself.

use async_nats::jetstream::{self, message::PublishMessage};
use wrt_chaos_tests::Manifest;

use super::{
    code::{deploys, many, padded},
    site::{STARTED, Site},
};

const STORE_BYTES: usize = 4 << 20;

/// Takes all the room that there is.
async fn others_fill(site: &Site) -> anyhow::Result<()> {
    let jetstream = site.jetstream().await?;
    let config = jetstream::stream::Config {
        name: "others".to_owned(),
        subjects: vec!["others".to_owned()],
        ..Default::default()
    };
    jetstream.get_or_create_stream(config).await?;
    loop {
        let message = PublishMessage::build().payload(vec![7; 64 << 10].into());
        let sent = jetstream.send_publish("others", message).await?;
        if sent.await.is_err() {
            return Ok(());
        }
    }
}

async fn stored_bytes(site: &Site) -> anyhow::Result<u64> {
    let jetstream = site.jetstream().await?;
    let stream = jetstream.get_stream("OBJ_wrt-default-components").await?;
    Ok(stream.cached_info().state.bytes)
}

/// The bug: `wrt down` failed with "insufficient resources".
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_runs_goes_on_and_down_works() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let folder = site.cluster.nats().jetstream_folder();
    let config = format!("jetstream {{ store_dir: {folder:?}, max_file_store: {STORE_BYTES} }}\n");
    site.reconfigures_nats(&config)?;
    site.deploy(Manifest::probe(&["a"])?).await?;
    let small = padded(&site, "hello_http", 1000, 1)?;
    deploys(&site, &many("many", &small, 1))?;
    others_fill(&site).await?;
    let before = stored_bytes(&site).await?;
    site.serves().await?;

    // Something new, and something changed.
    let large = padded(&site, "hello_http", 100_000, 2)?;
    for app in ["new", "many"] {
        let path = site.cluster.folder().join("many.toml");
        std::fs::write(&path, many(app, &large, 1))?;
        let told = site.wrt_fails(&["up", &path.to_string_lossy()])?;
        anyhow::ensure!(told.contains("JetStream is full"), "{told}");
        anyhow::ensure!(told.contains("max_file_store"), "{told}");
        anyhow::ensure!(
            stored_bytes(&site).await? == before,
            "nothing is left of it"
        );
    }

    // A node that has kept nothing starts with what it can read.
    tokio::task::block_in_place(|| site.cluster.kill_node("a"))?;
    std::fs::remove_dir_all(site.cluster.cache_folder("a"))?;
    tokio::task::block_in_place(|| site.cluster.start_node("a"))?;
    site.serves_within(STARTED).await?;
    site.shows_no_trouble().await?;

    site.wrt(&["down", "many"])?;
    site.serves().await?;
    others_fill(&site).await?;
    site.wrt(&["down", "probe"])?;
    anyhow::ensure!(
        stored_bytes(&site).await? == 0,
        "{}",
        stored_bytes(&site).await?
    );
    let status = site.shows_no_trouble().await?;
    let replicas = status.nodes.iter().map(|node| node.replicas.len());
    anyhow::ensure!(replicas.sum::<usize>() == 0, "{status:?}");
    Ok(())
}
