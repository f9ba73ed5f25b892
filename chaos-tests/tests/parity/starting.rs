//! A component that is still being compiled is waited for.

use std::{fs, path::PathBuf, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use tokio::{net::TcpStream, task::spawn_blocking, time::timeout};
use wrt_chaos_tests::{Cluster, Profile, Programs, guest, slow_to_compile};
use wrt_test_servers::{Process, free_port};

use crate::{
    answer::answer,
    case::Case,
    paths::{Pace, Protocol},
};

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(400);
const PATIENCE_MS: u64 = 400_000;
const IMPATIENCE_MS: u64 = 300;

fn slow_component(folder: &std::path::Path) -> anyhow::Result<PathBuf> {
    let slow = slow_to_compile(&fs::read(guest("scripted")?)?);
    let path = folder.join("slow.wasm");
    fs::write(&path, slow)?;
    Ok(path)
}

fn serves() -> Case {
    let case = Case::new("a request that comes early", "/read/head/tell/finish");
    case.posts(1000).gets_text("1000 bytes").waits(PATIENCE)
}

/// More than travels inline.
fn streams() -> Case {
    let case = Case::new("a large one that comes early", "/read/head/tell/finish");
    case.posts(300_000)
        .gets_text("300000 bytes")
        .waits(PATIENCE)
}

/// Waits until somebody listens there.
async fn listens(address: &str) -> anyhow::Result<()> {
    let listens = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let listens = timeout(PATIENCE, listens).await;
    listens.with_context(|| format!("nobody listens on {address}"))
}

/// It had been refused with 503, for as long as the compiler took.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_a_lattice_requests_wait_for_it() -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start(Profile::Dev)?);
    cluster.start_nodes(&["edge", "other"])?;
    let source = slow_component(cluster.folder())?;
    let mut manifest = "[app]\nname = \"early\"\n".to_owned();
    let mut asked = Vec::new();
    for (component, node) in [("here", "edge"), ("there", "other")] {
        manifest +=
            &format!("\n[component.{component}]\nsource = {source:?}\nnodes = [{node:?}]\n");
        for (server, budget_ms) in [("patient", PATIENCE_MS), ("hasty", IMPATIENCE_MS)] {
            let address = cluster.free_address()?;
            manifest += &format!(
                "\n[provider.{server}-{component}]\nbackend = \"http-server\"\n\
                 nodes = [\"edge\"]\ncalls = [{{ component = {component:?} }}]\n\
                 \n[provider.{server}-{component}.config]\naddress = {address:?}\n\
                 request_timeout_ms = {budget_ms}\n"
            );
            asked.push((address, component, node, server == "patient"));
        }
    }
    let path = cluster.folder().join("early.toml");
    fs::write(&path, manifest)?;
    let path = path.to_string_lossy().into_owned();
    let up = {
        let cluster = Arc::clone(&cluster);
        spawn_blocking(move || cluster.wrt(&["up", &path, "--timeout", "400"]))
    };
    let cluster = &*cluster;
    let exchanges = asked.iter().flat_map(|it| {
        [Protocol::Http1, Protocol::Http2].map(|protocol| async move {
            let (address, component, node, is_patient) = it;
            listens(address).await?;
            let is_compiled = cluster.node_log(node).lines().any(|line| {
                line.contains("ready") && line.contains(&format!("component/early/{component}"))
            });
            ensure!(
                !is_compiled,
                "{component}: it was compiled too soon to show anything"
            );
            let case = match is_patient {
                true => serves(),
                false => Case::new("a budget that ends first", "/head/finish")
                    .gets_told(504, "the component is still starting\n")
                    .alone()
                    .waits(PATIENCE),
            };
            let told = async {
                let answer = answer(address, protocol, Pace::Quick, &case).await?;
                case.compare(answer, &case.target(Pace::Quick))
            };
            let told = told.await;
            told.map_err(|told| anyhow::anyhow!("{}, {component} {protocol:?}: {told}", case.name))
        })
    });
    let answered = futures::future::join_all(exchanges).await;
    up.await??;
    let answered: anyhow::Result<()> = answered.into_iter().collect();
    answered.with_context(|| {
        format!(
            "edge:\n{}other:\n{}",
            cluster.node_log("edge"),
            cluster.node_log("other")
        )
    })
}

/// Requests had been refused where one node came up before the other: it had not heard of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_start_of_all_requests_wait_for_the_last_to_come() -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start(Profile::Dev)?);
    cluster.start_nodes(&["edge", "other"])?;
    let address = cluster.free_address()?;
    let source = guest("scripted")?;
    let manifest = format!(
        "[app]\nname = \"whole\"\n\
         \n[component.guest]\nsource = {source:?}\nnodes = [\"other\"]\n\
         \n[provider.server]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
         calls = [{{ component = \"guest\" }}]\n\
         \n[provider.server.config]\naddress = {address:?}\n"
    );
    let path = cluster.folder().join("whole.toml");
    fs::write(&path, manifest)?;
    let path = path.to_string_lossy().into_owned();
    let up = Arc::clone(&cluster);
    spawn_blocking(move || up.wrt(&["up", &path])).await??;
    for node in ["edge", "other"] {
        cluster
            .terminate_node(node, Duration::from_secs(30))
            .await?;
    }
    cluster.start_node("edge")?;
    listens(&address).await?;
    let (small, large) = (serves(), streams());
    let answers = [Protocol::Http1, Protocol::Http2].into_iter();
    let answers = answers.flat_map(|protocol| [(protocol, &small), (protocol, &large)]);
    let answers = futures::future::join_all(answers.map(|(protocol, case)| {
        let address = &address;
        async move {
            let answer = answer(address, protocol, Pace::Quick, case).await?;
            case.compare(answer, &case.target(Pace::Quick))
        }
    }));
    let mut answers = std::pin::pin!(answers);
    // None of them may be answered before there is somebody who could.
    if let Ok(early) = timeout(Duration::from_millis(500), &mut answers).await {
        anyhow::bail!(
            "answered by nobody: {early:?}\n{}",
            cluster.node_log("edge")
        );
    }
    cluster.start_node("other")?;
    let answered: Result<(), String> = answers.await.into_iter().collect();
    let answered = answered.map_err(anyhow::Error::msg);
    answered.with_context(|| cluster.node_log("edge"))
}

/// Its port had been open before, and had answered 503.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_one_process_the_port_opens_behind_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let source = slow_component(folder.path())?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(Programs::find(Profile::Dev)?.node);
    command.arg("run").arg(&source);
    command
        .args(["--address", &address, "--cache"])
        .arg(folder.path().join("cache"));
    let node = Process::spawn("run", command, folder.path().join("log"))?;
    ensure!(
        TcpStream::connect(&address).await.is_err(),
        "it cannot be open yet"
    );
    let served = async {
        listens(&address).await?;
        let case = serves().waits(Duration::from_secs(25));
        let answer = answer(&address, Protocol::Http1, Pace::Quick, &case).await;
        let compared = answer.and_then(|answer| case.compare(answer, &case.target(Pace::Quick)));
        compared.map_err(anyhow::Error::msg)
    };
    let served = served.await;
    served.with_context(|| node.log().unwrap_or_default())
}
