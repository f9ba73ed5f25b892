//! NATS takes small messages.
//!
//! Apps are deployed and serve, bodies of any length included: what is larger than a message travels in
//! pieces. An app whose manifest is larger when stored is refused with the limit's name.

use std::fmt::Write as _;

use super::site::Site;
use wrt_chaos_tests::Manifest;

const MAX_PAYLOAD: usize = 32 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_goes_in_pieces() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let folder = site.cluster.nats().jetstream_folder();
    let config = format!("max_payload: {MAX_PAYLOAD}\njetstream {{ store_dir: {folder:?} }}\n");
    site.reconfigures_nats(&config)?;
    // Its component is larger than a message.
    site.deploy(Manifest::probe(&["a"])?).await?;
    site.serves().await?;
    let bytes = 10 * MAX_PAYLOAD;
    let url = site.url(&format!("/source/{bytes}"));
    let outcome = site.client.send(http::Method::GET, &url).await;
    anyhow::ensure!(outcome.is_success(), "{:?}", outcome.status());
    anyhow::ensure!(outcome.text().chars().count() > 0);

    let mut text = Manifest::probe(&["a"])?.text();
    text += "\n[component.probe.environment]\n";
    for n in 0..500 {
        writeln!(text, "V{n} = {:?}", "x".repeat(100))?;
    }
    let path = site.cluster.folder().join("large.toml");
    std::fs::write(&path, text)?;
    let told = site.wrt_fails(&["up", &path.to_string_lossy()])?;
    anyhow::ensure!(told.contains("raise its max_payload"), "{told}");
    anyhow::ensure!(told.contains(&MAX_PAYLOAD.to_string()), "{told}");
    site.serves().await
}
