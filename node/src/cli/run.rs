//! `wrt-node run`: everything in this process, over a loopback.

pub mod app;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use wrt_component::{EngineOptions, Engines, Stdio};
use wrt_contract::CallContext;
use wrt_deployment::{DesiredApp, LinkEnd, Revision, Snapshot, StoredApp};
use wrt_protocol::{
    ActorAddress, Epoch, LatticeName, NodeId, heartbeat::ReplicaState, limits::BUDGET_MAX,
};
use wrt_runtime::{JobsInterface, Runtime};
use wrt_transport::Loopback;

use app::Job;

use super::{
    args::{ProcessArgs, RunArgs},
    exit::Failure,
    metrics::Metrics,
    output::Output,
    signals::{asked_to_stop, bear_file_limit},
    telemetry::Telemetry,
};
use crate::{CacheOptions, Code, LocalCodes, Node, NodeOptions, NodeStatus};

/// How often it is looked what does not start; what is ready says so.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

pub async fn run(
    runtime: Runtime,
    arguments: RunArgs,
    output: Output,
) -> Result<ExitCode, Failure> {
    bear_file_limit();
    let mut telemetry = Telemetry::start("local")?;
    let mut metrics = Metrics::listen(arguments.process.metrics).await?;
    let engines = engines(&arguments.process)?;
    let app = app::read(&arguments, &runtime, &engines)?;
    let app::LocalApp {
        app,
        code,
        environment,
        choices,
        job,
    } = app;
    for choice in choices {
        output.progress(&choice);
    }
    let options = NodeOptions {
        lattice: LatticeName::new("local")?,
        node: NodeId::new("local")?,
        epoch: Epoch(1),
        labels: Vec::new(),
        patience: Duration::from_secs(arguments.process.patience),
        environment,
        stdio: match &job {
            Some(_) => Stdio::OfProcess,
            None => Stdio::Log,
        },
    };
    let code = Code::Local(Arc::new(LocalCodes::new(code)));
    let transport = Loopback::alone(options.node.clone());
    let node = Node::start(options, runtime, transport, engines, code).await?;
    metrics.tell_of(&node, &mut telemetry, output);
    if let Some(job) = job {
        let ended = tokio::select! {
            ended = to_its_end(&node, &app, &job, arguments.arguments, output) => ended,
            () = asked_to_stop() => Err(Failure::job_interrupted()),
        };
        telemetry.report();
        tokio::select! {
            () = node.drain() => {}
            () = asked_to_stop() => {}
        }
        telemetry.finish().await;
        return ended;
    }
    let served = async {
        // First all that is called, and then those who call: a port that is open serves. Whoever asks
        // earlier is refused, as by a program that has not been started yet, and need not guess what an
        // open port means that does not answer. It stays open from then on, whatever becomes of a
        // component: then requests wait for it.
        let called = without_servers(&app);
        desire(&node, &called);
        ready(&node, &called, output).await?;
        desire(&node, &app);
        ready(&node, &app, output).await?;
        announce(&node.status(), &app, output);
        std::future::pending::<()>().await;
        Ok::<(), Failure>(())
    };
    let ended = tokio::select! {
        failed = served => failed,
        () = asked_to_stop() => Ok(()),
    };
    telemetry.report();
    drain(node, output).await;
    telemetry.finish().await;
    ended.map(|()| ExitCode::SUCCESS)
}

/// Runs a component that is a program, and answers its exit code.
async fn to_its_end(
    node: &Node,
    app: &DesiredApp,
    job: &Job,
    arguments: Vec<String>,
    output: Output,
) -> Result<ExitCode, Failure> {
    desire(node, app);
    ready(node, app, output).await?;
    let provider = ActorAddress::provider(app.app.clone(), job.provider.clone());
    let jobs = node.client::<JobsInterface>(provider);
    let context = CallContext::with_budget(BUDGET_MAX);
    let code = jobs.run(&context, job.component.as_str(), &arguments).await;
    code.map(ExitCode::from).map_err(Failure::of_job)
}

/// The engines of a node, with its cache.
pub fn engines(process: &ProcessArgs) -> Result<Engines, Failure> {
    let cache_folder = cache_folder(process).map(|folder| folder.join("code"));
    if let Some(parent) = cache_folder.as_ref().and_then(|folder| folder.parent()) {
        // That it cannot be made is told by whoever wants to write there.
        let _made = std::fs::create_dir_all(parent);
    }
    let mut options = EngineOptions {
        cache_folder,
        cache_bytes_max: cache_options(process).bytes_max,
        ..EngineOptions::default()
    };
    if let Some(mebibytes) = process.resident {
        options.resident_bytes_max = u64::from(mebibytes) << 20;
    }
    Ok(Engines::new(options)?)
}

/// Where a node keeps what it can make again.
pub fn cache_folder(process: &ProcessArgs) -> Option<std::path::PathBuf> {
    let from_home = || Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cache/wrt"));
    let from_xdg =
        || Some(std::path::PathBuf::from(std::env::var_os("XDG_CACHE_HOME")?).join("wrt"));
    process.cache.clone().or_else(from_xdg).or_else(from_home)
}

/// What a node keeps there of code.
pub fn cache_options(process: &ProcessArgs) -> CacheOptions {
    CacheOptions {
        folder: cache_folder(process),
        bytes_max: u64::from(process.cache_size) << 20,
        grace: Duration::from_secs(process.cache_grace),
    }
}

/// Drains, unless asked once more.
pub async fn drain(node: Node, output: Output) {
    output.progress("stopping: calls in hand may end; once more stops at once");
    tokio::select! {
        () = node.drain() => {}
        () = asked_to_stop() => {}
    }
}

/// The app without the providers that call components, as far as no component calls them in its turn.
fn without_servers(app: &DesiredApp) -> DesiredApp {
    let links = app.components.values().flat_map(|it| it.links.values());
    let is_called: BTreeSet<_> = links.flat_map(BTreeMap::values).cloned().collect();
    let mut called = app.clone();
    called.providers.retain(|name, provider| {
        provider.calls.is_empty() || is_called.contains(&LinkEnd::Provider(name.clone()))
    });
    called
}

fn desire(node: &Node, app: &DesiredApp) {
    let stored = StoredApp {
        revision: Revision(1),
        app: app.clone(),
    };
    let apps = BTreeMap::from([(app.app.clone(), stored)]);
    node.desire(Arc::new(Snapshot {
        apps,
        ..Snapshot::default()
    }));
}

/// Waits until everything serves. A service that is away may come; what another attempt is not
/// expected to mend, and an address that is taken, end the command: the one who started it sits in front
/// of it.
async fn ready(node: &Node, app: &DesiredApp, output: Output) -> Result<(), Failure> {
    let mut told = BTreeMap::new();
    loop {
        let status = node.status();
        for replica in &status.replicas {
            let Some(error) = &replica.error else {
                continue;
            };
            if replica.is_refused || app.goes_to_each_node(&replica.actor) {
                let actor = &replica.actor;
                return Err(Failure::failed(anyhow::anyhow!(
                    "{actor} cannot start: {error}"
                )));
            }
            if told.insert(replica.actor.clone(), error.clone()).as_ref() != Some(error) {
                output.progress(&format!("{} is tried again: {error}", replica.actor));
            }
        }
        let are_ready = status
            .replicas
            .iter()
            .all(|r| r.state == ReplicaState::Ready);
        if status.replicas.len() == app.actors().count() && are_ready {
            return Ok(());
        }
        let _or_look = tokio::time::timeout(LOOK_INTERVAL, node.replica_ready()).await;
    }
}

fn announce(status: &NodeStatus, app: &DesiredApp, output: Output) {
    for replica in &status.replicas {
        let Some(address) = &replica.address else {
            continue;
        };
        let name = &replica.actor.name;
        let text = format!(
            "{name} listens on {}",
            replica.listens_on().unwrap_or(address)
        );
        output.result(
            &text,
            &serde_json::json!({ "provider": name, "address": address }),
        );
    }
    let ready = serde_json::json!({ "ready": app.app, "actors": status.replicas.len() });
    output.result(&format!("{} is ready; Ctrl-C stops it", app.app), &ready);
}
