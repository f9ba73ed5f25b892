//! What was deployed cannot run.
//!
//! `wrt up` tells each reason as it comes, and ends as soon as nothing is left that could mend by
//! itself, long before its time is over. What can run, runs.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::site::{STARTED, Site};
use wrt_chaos_tests::{Manifest, guest, not_to_be_compiled};

/// Far less than the two minutes that `wrt up` waits.
const SOON: Duration = Duration::from_secs(45);

/// It wants a function that its import has nowhere.
const FOREIGN: &str = r#"(component
    (import "wasi:random/random@0.2.0" (instance (export "frobnicate" (func)))))"#;

/// Runs `wrt up`, which is to end soon and to tell `reasons`.
fn tells(site: &Site, manifest: &str, reasons: &[&str]) -> anyhow::Result<()> {
    let path = site.cluster.folder().join("hopeless.toml");
    std::fs::write(&path, manifest)?;
    let begun = Instant::now();
    let told = site.wrt_fails(&["up", &path.to_string_lossy()])?;
    let took = begun.elapsed();
    println!("after {took:?}:\n{told}");
    anyhow::ensure!(took < SOON, "after {took:?}: {told}");
    let (as_it_comes, at_the_end) = told.split_once("error: ").unwrap_or((&told, ""));
    for reason in reasons {
        anyhow::ensure!(as_it_comes.contains(reason), "{reason} is not told: {told}");
        anyhow::ensure!(
            at_the_end.contains(reason),
            "{reason} is not told again: {told}"
        );
    }
    anyhow::ensure!(told.contains("does not come by itself"), "{told}");
    Ok(())
}

/// It waited for two minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn up_does_not_wait_for_what_cannot_mend() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let manifest = site.cluster.folder().join("app.toml");
    let probe = std::fs::read_to_string(manifest)?;

    // A node that is not there.
    let elsewhere = probe.replace("nodes = [\"a\"]", "nodes = [\"a\", \"nowhere\"]");
    tells(&site, &elsewhere, &["not on the lattice: nowhere"])?;
    site.serves().await?;

    // A variable that the node's operator does not let through.
    let counter = Manifest::counter(&["a"])?.redis(&["a"], "redis://127.0.0.1:1");
    let secret = counter.text().replace(
        "url = \"redis://127.0.0.1:1\"",
        "url = { env = \"NOT_LET_THROUGH\" }",
    );
    tells(&site, &secret, &["NOT_LET_THROUGH"])?;
    site.wrt(&["down", "counter"])?;

    // Code that no node can make anything of.
    let folder = site.cluster.folder();
    let (broken, foreign) = (folder.join("broken.wasm"), folder.join("foreign.wasm"));
    std::fs::write(
        &broken,
        not_to_be_compiled(&std::fs::read(guest("probe")?)?),
    )?;
    let source = |path: &Path| {
        format!("[app]\nname = \"code\"\n\n[component.code]\nsource = {path:?}\nnodes = [\"a\"]\n")
    };
    tells(&site, &source(&broken), &["does not compile"])?;
    std::fs::write(&foreign, wat::parse_str(FOREIGN)?)?;
    tells(&site, &source(&foreign), &["frobnicate"])?;
    site.wrt(&["down", "code"])?;

    // A port that another app has, on a node that only labels lead to.
    let other = probe
        .replace("name = \"probe\"", "name = \"other\"")
        .replace("nodes = [\"edge\"]", "labels = { role = \"front\" }")
        .replace("provider.web-edge", "provider.front");
    tokio::task::block_in_place(|| -> anyhow::Result<()> {
        site.cluster.kill_node("edge")?;
        site.cluster.start_node_of_role("edge", "front")?;
        Ok(())
    })?;
    site.is_ready(&Site::NODES).await?;
    tells(&site, &other, &["is taken by provider/probe/web-edge"])?;
    site.serves_within(STARTED).await?;

    // It comes when the other one goes.
    site.wrt(&["down", "probe"])?;
    site.serves_within(STARTED).await?;
    Ok(())
}
