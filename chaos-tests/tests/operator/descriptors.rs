//! A node runs out of descriptors, by the code of components that have served, and NATS is restarted.
//!
//! Whoever wants the last descriptors gets an error; the bus has its own, and the node comes back.

use std::{fmt::Write as _, fs, time::Duration};

use http::Method;
use tokio::task::block_in_place;
use wrt_chaos_tests::{Client, Cluster, LatticeStatus, Profile, guest};
use wrt_test_servers::Deadline;

/// How long a node may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

const NODE: &str = "a";

/// Far fewer than the components need.
const DESCRIPTORS_MAX: u32 = 128;
const COMPONENTS: usize = 160;

/// The node had lost the bus for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_without_any_left_comes_back_to_the_bus() -> anyhow::Result<()> {
    let cluster = Cluster::start(Profile::Dev)?;
    let limit = format!("--nofile={DESCRIPTORS_MAX}");
    let lattice = cluster.nats().url();
    cluster.start_node_with(NODE, &["prlimit", &limit], &["--lattice", &lattice])?;
    let address = cluster.free_address()?;
    let path = cluster.folder().join("many.toml");
    fs::write(&path, many(&address)?)?;
    block_in_place(|| cluster.wrt(&["up", &path.to_string_lossy()]))?;
    let client = Client::new(LIMIT);
    let url = |component: usize| format!("http://{address}/c{component}");
    let mut served = 0;
    for component in 0..COMPONENTS {
        let outcome = client.send(Method::GET, &url(component)).await;
        served += usize::from(outcome.is_success());
    }
    anyhow::ensure!(served > 0, "{}", cluster.node_log(NODE));
    anyhow::ensure!(
        served < COMPONENTS,
        "there were descriptors for all of them"
    );
    block_in_place(|| cluster.nats().restart())?;
    let is_back = || {
        let status: LatticeStatus = cluster.status().ok()?;
        status.is_ready(&[NODE]).then_some(())
    };
    let is_back = block_in_place(|| Deadline::after(LIMIT).poll(is_back));
    anyhow::ensure!(is_back.is_some(), "it is lost:\n{}", cluster.node_log(NODE));
    anyhow::ensure!(client.send(Method::GET, &url(0)).await.is_success());
    Ok(())
}

/// One component under many names, and a route to each.
fn many(address: &str) -> anyhow::Result<String> {
    let source = guest("hello_http")?;
    let mut text = "[app]\nname = \"many\"\n".to_owned();
    let mut calls = String::new();
    for component in 0..COMPONENTS {
        writeln!(text, "\n[component.c{component}]\nsource = {source:?}")?;
        writeln!(
            calls,
            "  {{ component = \"c{component}\", path = \"/c{component}\" }},"
        )?;
    }
    writeln!(
        text,
        "\n[provider.web]\nbackend = \"http-server\"\ncalls = [\n{calls}]\n\
         \n[provider.web.config]\naddress = {address:?}"
    )?;
    Ok(text)
}
