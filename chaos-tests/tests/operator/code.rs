//! Apps with much code, deployed again and again.
//!
//! Code goes once to each node, on the connection for what is large, and once through its memory. What no
//! app names any more goes from the store and from each cache. Who shares a cache with others, or is
//! killed in the middle, disturbs nobody.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use http::Method;
use wrt_chaos_tests::{Manifest, Proxy, guest, invariants, load::Load, outage::percentile};
use wrt_test_servers::{Deadline, free_port};

use super::site::Site;

const MIB: u64 = 1 << 20;
/// How long it may take until something that is waited for has happened.
const LIMIT: Duration = Duration::from_secs(60);

/// A copy of a guest that is another component, and larger.
pub fn padded(site: &Site, name: &str, bytes: usize, n: u8) -> anyhow::Result<PathBuf> {
    let mut component = fs::read(guest(name)?)?;
    // A custom section: its length as a LEB128 of five bytes, its name, and what nobody reads.
    let mut section = b"\x03pad".to_vec();
    section.resize(4 + bytes, n);
    component.push(0);
    let length = u32::try_from(section.len())?;
    for at in 0..5 {
        let more = if at < 4 { 0x80 } else { 0 };
        component.push(((length >> (7 * at)) & 0x7f) as u8 | more);
    }
    component.extend(section);
    let path = site.cluster.folder().join(format!("{name}.wasm"));
    fs::write(&path, component)?;
    Ok(path)
}

/// Many components of one file, on node `a`.
pub fn many(app: &str, source: &Path, components: usize) -> String {
    let mut text = format!("[app]\nname = {app:?}\n");
    for n in 0..components {
        let _ = write!(
            text,
            "\n[component.c{n}]\nsource = {source:?}\nnodes = [\"a\"]\n"
        );
    }
    text
}

pub fn deploys(site: &Site, text: &str) -> anyhow::Result<String> {
    let path = site.cluster.folder().join("many.toml");
    fs::write(&path, text)?;
    site.wrt(&["up", &path.to_string_lossy()])
}

/// Waits for a state.
pub fn becomes<T>(what: &str, look: impl Fn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let found = Deadline::after(LIMIT).poll(|| look().transpose());
    found.with_context(|| format!("it did not become true that {what}"))?
}

/// Files in a folder and below it, by name.
pub fn files(folder: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // It may be gone meanwhile.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((name, metadata.len()));
        }
    }
    Ok(found)
}

fn peak_bytes(site: &Site, node: &str) -> anyhow::Result<u64> {
    let pid = site.cluster.with_node(node, |process| Ok(process.pid()))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("a running process has a peak")? * 1024)
}

/// Bytes that NATS has sent to each connection of a node.
async fn sent_to(site: &Site, port: u16, node: &str, lane: &str) -> anyhow::Result<u64> {
    let url = format!("http://127.0.0.1:{port}/connz");
    let outcome = site.client.send(http::Method::GET, &url).await;
    let connections: serde_json::Value = serde_json::from_str(&outcome.text())?;
    let connections = connections["connections"].as_array().context("a list")?;
    let name = format!("wrt/{node}/{lane}");
    let of_name = connections.iter().find(|it| it["name"] == *name);
    of_name
        .and_then(|it| it["out_bytes"].as_u64())
        .with_context(|| format!("{name} is connected: {connections:?}"))
}

/// The bug: each of 60 replicas fetched it for itself, on the control connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_of_one_component_fetch_it_once() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let folder = site.cluster.nats().jetstream_folder();
    let port = free_port()?;
    let config = format!("http: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {folder:?} }}\n");
    site.reconfigures_nats(&config)?;
    site.deploy(Manifest::probe(&["a"])?).await?;
    let before = peak_bytes(&site, "a")?;
    let size = 8 * MIB;
    let source = padded(&site, "hello_http", size as usize, 1)?;
    deploys(&site, &many("many", &source, 20))?;
    let (bulk, control) = (
        sent_to(&site, port, "a", "bulk").await?,
        sent_to(&site, port, "a", "control").await?,
    );
    anyhow::ensure!((size..size * 3 / 2).contains(&bulk), "{bulk} bytes");
    anyhow::ensure!(control < size, "{control} bytes");
    let log = site.cluster.node_log("a");
    let fetched = log.lines().filter(|line| line.contains("fetched")).count();
    anyhow::ensure!(fetched == 2, "the probe, and this one: {log}");
    let compiled = log.lines().filter(|line| line.contains("compiled")).count();
    anyhow::ensure!(compiled == 2, "{log}");
    let grown = peak_bytes(&site, "a")?.saturating_sub(before);
    println!("{bulk} bytes sent, {grown} bytes more at the peak");
    anyhow::ensure!(grown < 8 * size, "{grown} bytes more for {size} of code");
    Ok(())
}

/// Narrow enough that the fetch takes seconds: 16 Mbit/s.
const NARROW: u32 = 2_000_000;
const FAR: Duration = Duration::from_millis(5);
/// What an app may wait for while code is fetched beside its calls, on a busy machine: far less than a fetch.
const OTHERS_MAX: Duration = Duration::from_secs(3);

/// The bug: on a link of 20 Mbit/s a component of 40 MiB gave another app on its node 14 s of 503.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fetch_over_a_narrow_line_leaves_room_for_calls() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let proxy = Proxy::start(site.cluster.nats().port()).await?;
    site.cluster.kill_node("a")?;
    tokio::task::block_in_place(|| site.cluster.start_node_at("a", &proxy.nats_url()))?;
    site.is_ready(&Site::NODES).await?;
    site.deploy(Manifest::probe(&["a"])?).await?;
    site.serves().await?;

    proxy.narrow(FAR, NARROW);
    let hello = site.url("/hello");
    let others = Load::start(&site.client, 20, move |_| (Method::GET, hello.clone()));
    let source = padded(&site, "hello_http", 8 << 20, 1)?;
    let apart = many("many", &source, 3).replace("[\"a\"]", "[\"a\", \"edge\"]");
    let began = Instant::now();
    deploys(&site, &apart)?;
    let took = began.elapsed();
    let others = others.stop().await;
    let most = percentile(&others, 1.0);
    println!(
        "deployed in {took:?}; {} calls meanwhile: {:?} at p50, {most:?} at most",
        others.len(),
        percentile(&others, 0.5)
    );
    anyhow::ensure!(
        took >= Duration::from_secs(4),
        "the line is not narrow: {took:?}"
    );
    invariants::all_succeed(&others)?;
    anyhow::ensure!(most <= OTHERS_MAX, "{most:?} at most");
    for (node, before) in [("a", 1), ("edge", 0)] {
        let log = site.cluster.node_log(node);
        let fetched = log.lines().filter(|line| line.contains("fetched")).count();
        anyhow::ensure!(fetched == before + 1, "{node}, for all three: {log}");
    }
    site.shows_no_trouble().await?;
    Ok(())
}

/// The bug: 60 deploys of a changed component left 60 in the store, and as many in each cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_no_app_names_goes_everywhere() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    site.cluster.kill_node("a")?;
    let url = site.cluster.nats().url();
    let arguments = ["--lattice", &url, "--cache-grace", "1"];
    tokio::task::block_in_place(|| site.cluster.start_node_with("a", &[], &arguments))?;
    let stored = async || -> anyhow::Result<u64> {
        let jetstream = site.jetstream().await?;
        let stream = jetstream.get_stream("OBJ_wrt-default-components").await?;
        Ok(stream.cached_info().state.bytes)
    };
    let mut one = 0;
    // The store keeps what an app was in its last eight revisions.
    for n in 0..11 {
        let source = padded(&site, "hello_http", 1000, n)?;
        deploys(&site, &many("many", &source, 2))?;
        if n == 0 {
            one = stored().await?;
        }
        let (now, kept) = (stored().await?, u64::from(n + 1).min(8));
        anyhow::ensure!(now < one * (2 * kept + 1) / 2, "{now} bytes after {n}");
    }
    let cache = site.cluster.cache_folder("a");
    let kept = |what: &str, count: usize| {
        becomes(what, || {
            let components = files(&cache.join("components"))?.len();
            // The key lies there too.
            let artefacts = files(&cache.join("code"))?.len().saturating_sub(1);
            Ok((components == count && artefacts == count).then_some(()))
        })
    };
    tokio::task::block_in_place(|| kept("one is kept", 1))?;
    site.is_told("a", "removed code from the cache that no app names")?;
    site.wrt(&["down", "many"])?;
    anyhow::ensure!(stored().await? == 0, "{} bytes", stored().await?);
    tokio::task::block_in_place(|| kept("nothing is kept", 0))
}

/// Three processes have one folder, and one of them is killed in the middle of a fetch.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_share_a_cache_and_one_is_killed_in_the_middle() -> anyhow::Result<()> {
    let site = Site::bare().await?;
    let proxy = Proxy::start(site.cluster.nats().port()).await?;
    let shared = site.cluster.folder().join("shared");
    let (folder, components) = (shared.display().to_string(), shared.join("components"));
    let starts = |name: &str, url: &str| {
        let arguments = ["--lattice", url, "--cache", &folder];
        tokio::task::block_in_place(|| site.cluster.start_node_with(name, &[], &arguments))
    };
    site.cluster.kill_node("a")?;
    starts("a", &proxy.nats_url())?;
    site.shows("a is there", |status| status.is_ready(&["a"]))
        .await?;
    let source = padded(&site, "hello_http", 32 << 20, 1)?;
    let path = site.cluster.folder().join("many.toml");
    fs::write(&path, many("many", &source, 1))?;
    let partial = || -> anyhow::Result<Option<u64>> {
        let files = files(&components)?.into_iter();
        let mut partial = files.filter(|(name, _)| name.ends_with(".partial"));
        Ok(partial.next().map(|(_, bytes)| bytes))
    };
    tokio::task::block_in_place(|| {
        site.wrt(&["up", &path.to_string_lossy(), "--timeout", "0"])?;
        becomes(
            "it is fetched",
            || Ok(partial()?.filter(|bytes| *bytes > 0)),
        )?;
        proxy.stall();
        Ok::<_, anyhow::Error>(site.cluster.kill_node("a")?)
    })?;
    anyhow::ensure!(
        partial()?.is_some(),
        "it was too quick to be killed in the middle"
    );
    proxy.heal();
    starts("a", &proxy.nats_url())?;
    // Before the other one, which would do it as well.
    site.is_told("a", "removed what a process has left half written")?;
    starts("b", &site.cluster.nats().url())?;
    let both = many("many", &source, 1).replace("[\"a\"]", "[\"a\", \"b\"]");
    deploys(&site, &both)?;
    anyhow::ensure!(partial()?.is_none(), "{:?}", files(&components)?);
    anyhow::ensure!(files(&components)?.len() == 1, "{:?}", files(&components)?);
    for node in ["a", "b"] {
        let log = site.cluster.node_log(node);
        anyhow::ensure!(!log.contains("is not kept"), "{log}");
    }
    Ok(())
}
