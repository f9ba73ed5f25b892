//! What an app needs comes late: the service behind its provider, or its code.
//!
//! Attempts to start fail meanwhile, for a reason that passes. Calls wait for it within their budgets, as
//! for what is only slow to start, and are answered when it comes.

use std::{fs, time::Duration};

use anyhow::Context as _;
use http::Method;
use tokio::time::timeout;
use wrt_chaos_tests::{Manifest, Outcome};

use super::site::Site;

/// Of a request; shorter than the patience of its client.
const BUDGET: Duration = Duration::from_secs(12);
/// Longer than a call is tried again that is refused.
const WAITS: Duration = Duration::from_secs(2);

/// A request is not answered before `comes`, and then with success.
async fn waits_for(
    site: &Site,
    method: Method,
    comes: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let url = site.url("/visits");
    let mut answer = std::pin::pin!(site.client.send(method, &url));
    if let Ok(early) = timeout(WAITS, &mut answer).await {
        anyhow::bail!(
            "answered by nobody: {early:?}\n{}",
            site.cluster.node_log("a")
        );
    }
    tokio::task::block_in_place(comes)?;
    let outcome: Outcome = answer.await;
    let log = || site.cluster.node_log("a");
    anyhow::ensure!(outcome.is_success(), "{outcome:?}\n{}", log());
    Ok(())
}

/// The bug: each was refused at once, as if it were there and broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_wait_for_what_does_not_start_yet() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let redis = site.cluster.redis();
    redis.kill()?;
    let manifest = Manifest::counter(&["a"])?.redis(&["a"], &site.redis_url());
    let manifest = manifest.http("edge", site.address()).budget(BUDGET);
    let path = site.cluster.write_manifest(&manifest)?;
    site.wrt(&["up", &path, "--timeout", "0"])?;
    site.is_told("a", "did not start")?;
    let is_served = |status: &wrt_chaos_tests::LatticeStatus| {
        let is_ready = |node, name| {
            status
                .replica(node, name)
                .is_some_and(|it| it.state == "ready")
        };
        is_ready("edge", "web-edge") && is_ready("a", "component/counter/counter")
    };
    site.shows("all but the store is ready", is_served).await?;
    waits_for(&site, Method::POST, || Ok(redis.restart()?)).await?;

    // Its node starts without the code, and finds none: JetStream has lost it as well.
    let cache = site.cluster.cache_folder("a");
    site.cluster.kill_node("a")?;
    for folder in ["components", "code"] {
        let folder = cache.join(folder);
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let jetstream = site.jetstream().await?;
    jetstream
        .delete_stream("OBJ_wrt-default-components")
        .await?;
    tokio::task::block_in_place(|| site.cluster.start_node("a"))?;
    site.is_told("a", "is not in the store")?;
    let up = || {
        Ok(site
            .cluster
            .wrt(&["up", &path, "--timeout", "30"])
            .map(|_| ())?)
    };
    waits_for(&site, Method::GET, up).await
}
