//! The node in a test's process, and its component.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::{Arc, LazyLock},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tracing_subscriber::EnvFilter;
use wrt_component::{CompiledComponent, EngineOptions, Engines, Stdio};
use wrt_contract::Interface;
use wrt_deployment::{Digest, Revision, Snapshot, StoredApp};
use wrt_node::{AppEnvironment, Code, LocalCode, LocalCodes, Node, NodeOptions};
use wrt_protocol::{ActorAddress, Epoch, LatticeName, NodeId, heartbeat::ReplicaState};
use wrt_runtime::Runtime;
use wrt_transport::Loopback;

use crate::{
    Error, Result, Setup,
    desired::{self, APP, COMPONENT},
    records::Records,
};

/// How long a component and its providers may take until they are ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked how far they are.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Instances at a time: a test asks for one after another.
const INSTANCES_MAX: u32 = 16;

/// What a process of tests compiles with, and has compiled.
struct Compiled {
    engines: Engines,
    known: HashMap<Digest, CompiledComponent>,
}

static COMPILED: LazyLock<Mutex<Option<Compiled>>> = LazyLock::new(Mutex::default);

/// A node with one component.
pub(crate) struct Inside {
    pub(crate) records: Arc<Records>,
    runtime: Runtime,
    component: CompiledComponent,
    // Before what it runs on.
    node: Node,
    tokio: tokio::runtime::Runtime,
}

impl Inside {
    pub(crate) fn start(setup: Setup) -> Result<Self> {
        log();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let tokio = tokio.map_err(|error| Error::of("cannot make threads", &error))?;
        let runtime = desired::runtime()?;
        let path = setup.component.display().to_string();
        let bytes = fs::read(&setup.component);
        let bytes = bytes.map_err(|error| Error::of(format!("cannot read {path}"), &error))?;
        let digest = Digest::of(&bytes);
        let (engines, component) = compiled(&tokio, &path, digest, bytes)?;
        let (test, records) = Records::open();
        let Setup {
            environment,
            values,
            ..
        } = setup;
        let app = desired::app(&runtime, &component, digest, test, environment, values)?;
        let code = BTreeMap::from([(digest, LocalCode::Artefact(component.clone()))]);
        let actors = app.actors().count();
        let node = tokio.block_on(async {
            let code = Code::Local(Arc::new(LocalCodes::new(code)));
            let node = node(runtime.clone(), engines, code).await?;
            let stored = StoredApp {
                revision: Revision(1),
                app,
            };
            node.desire(Arc::new(Snapshot {
                apps: BTreeMap::from([(desired::name(APP), stored)]),
                ..Snapshot::default()
            }));
            ready(&node, actors).await.map(|()| node)
        })?;
        Ok(Self {
            records,
            runtime,
            component,
            node,
            tokio,
        })
    }

    /// Runs what a test waits for.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.tokio.block_on(future)
    }

    /// The component as `I`.
    ///
    /// # Errors
    /// It does not export that; `hint` says how it would.
    pub(crate) fn component<I: Interface>(&self, hint: &str) -> Result<Arc<I::Object>> {
        let exports = self.component.exports();
        let mut offered = exports.iter().flat_map(|it| self.runtime.exported(it));
        if !offered.any(|interface| interface == I::NAME) {
            let (interface, exports) = (I::NAME, exports.join(", "));
            let text = format!("the component exports no {interface}, but {exports}: {hint}");
            return Err(Error::new(text));
        }
        let component = desired::name(COMPONENT);
        let address = ActorAddress::component(desired::name(APP), component);
        Ok(self.node.client::<I>(address))
    }

    /// What is behind the component as `I`.
    ///
    /// # Errors
    /// It does not import that, and so nothing is there.
    pub(crate) fn provider<I: Interface>(&self, provider: &'static str) -> Result<Arc<I::Object>> {
        let address = ActorAddress::provider(desired::name(APP), desired::name(provider));
        let imports = self.component.imports();
        let package = I::NAME.to_string();
        if !imports
            .iter()
            .any(|it| it.starts_with(&format!("{package}/")))
        {
            let text =
                format!("the component does not import {package}: there is none in its test");
            return Err(Error::new(text));
        }
        Ok(self.node.client::<I>(address))
    }
}

/// Guests' stderr and stdout are in the log.
fn log() {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_unset| EnvFilter::new("warn,wrt::guest=info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    // Another test of this process was first.
    let _ = subscriber.with_test_writer().try_init();
}

fn compiled(
    tokio: &tokio::runtime::Runtime,
    path: &str,
    digest: Digest,
    bytes: Vec<u8>,
) -> Result<(Engines, CompiledComponent)> {
    // The other tests wait: they have the same component.
    let mut compiled = COMPILED.lock();
    let compiled = match &mut *compiled {
        Some(compiled) => compiled,
        none => {
            let engines = Engines::new(EngineOptions {
                instances_max: INSTANCES_MAX,
                ..EngineOptions::default()
            });
            let engines = engines.map_err(|error| Error::of("cannot make an engine", &error))?;
            none.insert(Compiled {
                engines,
                known: HashMap::new(),
            })
        }
    };
    if let Some(known) = compiled.known.get(&digest) {
        return Ok((compiled.engines.clone(), known.clone()));
    }
    let component = tokio.block_on(compiled.engines.compile(bytes.into()));
    let component = component.map_err(|error| {
        let what = format!("{path} is no component, or none for this runtime");
        Error::of(what, &error)
    })?;
    compiled.known.insert(digest, component.clone());
    Ok((compiled.engines.clone(), component))
}

async fn node(runtime: Runtime, engines: Engines, code: Code) -> Result<Node> {
    let name = NodeId::new("test").expect("a legal name");
    let options = NodeOptions {
        lattice: LatticeName::new("test").expect("a legal name"),
        node: name.clone(),
        epoch: Epoch(1),
        labels: Vec::new(),
        patience: Duration::ZERO,
        environment: AppEnvironment::nothing(),
        stdio: Stdio::Log,
    };
    let node = Node::start(options, runtime, Loopback::alone(name), engines, code).await;
    node.map_err(|error| Error::of("the node in the test does not start", &error))
}

async fn ready(node: &Node, actors: usize) -> Result {
    let end = Instant::now() + START_TIMEOUT;
    loop {
        let replicas = node.status().replicas;
        let is_ready = |state: ReplicaState| state == ReplicaState::Ready;
        if replicas.len() == actors && replicas.iter().all(|it| is_ready(it.state)) {
            return Ok(());
        }
        let trouble = replicas.iter().find_map(|it| {
            let error = it.error.as_ref()?;
            Some(format!("{} does not start: {error}", it.actor))
        });
        if let Some(trouble) = trouble {
            return Err(Error::new(trouble));
        }
        if Instant::now() > end {
            let text = format!("the component is not ready after {START_TIMEOUT:?}");
            return Err(Error::new(text));
        }
        let _or_look = timeout(LOOK_INTERVAL, node.replica_ready()).await;
    }
}
