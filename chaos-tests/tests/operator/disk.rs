//! There is no room on the disk of a node for what it keeps.
//!
//! Apps start, and serve: code is fetched to its memory instead, which the log tells. Only a start while
//! JetStream is away needs what was kept.

use super::{
    code::{deploys, files, many, padded},
    site::Site,
};
use wrt_chaos_tests::Manifest;

/// A file of more bytes than this cannot be written, as if the disk were full. (Logs are shorter.)
const FILE_BYTES_MAX: usize = 256 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_whose_disk_is_full_runs_what_it_is_told() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    site.cluster.kill_node("a")?;
    let (url, limit) = (
        site.cluster.nats().url(),
        format!("--fsize={FILE_BYTES_MAX}"),
    );
    tokio::task::block_in_place(|| {
        let by_way_of = ["prlimit", limit.as_str()];
        site.cluster
            .start_node_with("a", &by_way_of, &["--lattice", &url])
    })?;
    site.deploy(Manifest::probe(&["a"])?).await?;
    site.serves().await?;
    let source = padded(&site, "hello_http", 4 * FILE_BYTES_MAX, 1)?;
    deploys(&site, &many("many", &source, 3))?;
    site.is_told("a", "a component is not kept")?;
    let log = site.cluster.node_log("a");
    let told = log
        .lines()
        .filter(|line| line.contains("a component is not kept"));
    anyhow::ensure!(told.count() == 1, "once for all three: {log}");
    let kept = files(&site.cluster.cache_folder("a").join("components"))?;
    let whole = kept.iter().all(|(name, _)| name.ends_with(".wasm"));
    anyhow::ensure!(whole, "nothing is left of it: {kept:?}");
    site.serves().await?;
    site.wrt(&["down", "many"])?;
    site.serves().await
}
