//! The node of this process, and how an app gets to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{
    FutureExt as _,
    future::{BoxFuture, try_join_all},
};
use parking_lot::Mutex;
use wrt_component::{Engines, Stdio};
use wrt_deployment::{DesiredApp, Digest, Revision, Snapshot, StoredApp};
use wrt_protocol::{Epoch, LatticeName, Name, NodeId, heartbeat::ReplicaState};
use wrt_runtime::Runtime;
use wrt_transport::Loopback;

use super::Seconds;
use crate::{
    AppEnvironment, Code, LocalCode, LocalCodes, Node, NodeOptions, ReplicaStatus,
    cli::{
        args::DevArgs,
        exit::Failure,
        output::Output,
        run::{
            app::{self, LocalApp},
            engines,
        },
    },
};

/// How often it is looked what does not start; what is ready says so.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A node that runs what the manifest said last, as far as that could be.
pub struct Serving {
    arguments: DevArgs,
    output: Output,
    runtime: Runtime,
    engines: Engines,
    codes: Arc<LocalCodes>,
    node: Node,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revision: u64,
    app: Option<DesiredApp>,
    /// Its code.
    compiled: BTreeMap<Digest, LocalCode>,
    /// Where its providers listen, as it was told.
    told: BTreeMap<Name, String>,
}

/// An app on its way to the node. Dropped, it is given up; what the node has taken up it has.
pub struct Deployment<'a>(Option<BoxFuture<'a, ()>>);

impl Deployment<'_> {
    /// None.
    pub fn none() -> Self {
        Self(None)
    }

    /// Waits for its end; for ever where there is none. Cancel safe.
    pub async fn done(&mut self) {
        match &mut self.0 {
            Some(deployment) => deployment.await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}

impl Serving {
    /// A node that runs nothing yet.
    pub async fn start(
        runtime: Runtime,
        arguments: &DevArgs,
        output: Output,
    ) -> Result<Self, Failure> {
        let engines = engines(&arguments.process)?;
        let options = NodeOptions {
            lattice: LatticeName::new("local")?,
            node: NodeId::new("local")?,
            epoch: Epoch(1),
            labels: Vec::new(),
            patience: Duration::from_secs(arguments.process.patience),
            environment: AppEnvironment::allowed(arguments.process.allow_env.clone()),
            stdio: Stdio::Log,
        };
        let codes = Arc::<LocalCodes>::default();
        let code = Code::Local(Arc::clone(&codes));
        let transport = Loopback::alone(options.node.clone());
        let node = Node::start(options, runtime.clone(), transport, engines.clone(), code).await?;
        Ok(Self {
            arguments: arguments.clone(),
            output,
            runtime,
            engines,
            codes,
            node,
            state: Mutex::default(),
        })
    }

    /// What is left when nothing is deployed any more.
    pub fn into_node(self) -> Node {
        self.node
    }

    /// Reads the manifest and what it names, and runs that. `built` is when the last build has ended, if this is what
    /// it is done for.
    pub fn deploy(&self, built: Option<Instant>) -> Deployment<'_> {
        // Now: the next build may be about to write what is read here.
        let read = self.read();
        let attempt = async move {
            let done = match read {
                Ok(read) => self.attempt(read, built).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = done {
                self.output.trouble(&failure);
                self.output.progress(super::GOES_ON);
            }
        };
        Deployment(Some(attempt.boxed()))
    }

    fn read(&self) -> Result<LocalApp, Failure> {
        let DevArgs {
            manifest,
            address,
            process,
            ..
        } = &self.arguments;
        app::from_manifest(manifest, address, process, &self.runtime, &self.engines)
    }

    async fn attempt(&self, read: LocalApp, built: Option<Instant>) -> Result<(), Failure> {
        let app = read.app;
        if self.state.lock().app.as_ref() == Some(&app) {
            self.output.progress("it is as it was before");
            return Ok(());
        }
        // Before the node hears of it: what cannot be compiled takes the place of nothing.
        let compiled = read.code.into_iter().map(|it| self.compiled(&app, it));
        let compiled: BTreeMap<_, _> = try_join_all(compiled).await?.into_iter().collect();
        let is_first = self.state.lock().app.is_none();
        let revision = self.desire(&app, compiled);
        self.settled(revision, &app).await?;
        self.announce(&app);
        let (text, after_build_ms) = match built.map(|built| Seconds(built.elapsed())) {
            Some(took) => (format!(", {took} after its build"), Some(took.millis())),
            None => (String::new(), None),
        };
        let name = &app.app;
        let text = match is_first {
            true => format!("{name} is ready{text}; Ctrl-C stops it"),
            false => format!("{name} is served anew{text}"),
        };
        let json = serde_json::json!({
            "served": name, "revision": revision, "after_build_ms": after_build_ms,
        });
        self.output.result(&text, &json);
        Ok(())
    }

    async fn compiled(
        &self,
        app: &DesiredApp,
        (digest, code): (Digest, LocalCode),
    ) -> Result<(Digest, LocalCode), Failure> {
        let known = self.state.lock().compiled.get(&digest).cloned();
        let code = match (known, code) {
            (Some(code), _) | (None, code @ LocalCode::Artefact(_)) => code,
            (None, LocalCode::Component(bytes)) => {
                let compiled = self.engines.compile(bytes).await;
                let compiled = compiled.with_context(|| {
                    let mut components = app.components.iter();
                    let of = components.find(|(_, it)| it.digest == digest);
                    let name = of.map(|(name, _)| name.as_str()).unwrap_or_default();
                    format!("component {name} cannot be compiled to machine code")
                })?;
                LocalCode::Artefact(compiled)
            }
        };
        Ok((digest, code))
    }

    fn desire(&self, app: &DesiredApp, compiled: BTreeMap<Digest, LocalCode>) -> u64 {
        let mut state = self.state.lock();
        // What runs may fail and be started again before the node has looked.
        let mut codes = state.compiled.clone();
        codes.extend(compiled.clone());
        self.codes.replace(codes);
        state.revision += 1;
        state.app = Some(app.clone());
        state.compiled = compiled;
        let stored = StoredApp {
            revision: Revision(state.revision),
            app: app.clone(),
        };
        self.node.desire(Arc::new(Snapshot {
            apps: BTreeMap::from([(app.app.clone(), stored)]),
            ..Snapshot::default()
        }));
        state.revision
    }

    /// Waits until all is as it is desired. A service that is away may come; what another attempt is not
    /// expected to mend is an error.
    async fn settled(&self, revision: u64, app: &DesiredApp) -> Result<(), Failure> {
        let actors: BTreeSet<_> = app.actors().map(|(actor, _)| actor).collect();
        let mut told = BTreeMap::new();
        loop {
            let status = self.node.status();
            let replicas = status.replicas.iter();
            let replicas: Vec<_> = replicas.filter(|it| actors.contains(&it.actor)).collect();
            if status.apps.get(&app.app) == Some(&revision) {
                for replica in &replicas {
                    let Some(error) = &replica.error else {
                        continue;
                    };
                    let actor = &replica.actor;
                    if replica.is_refused {
                        return Err(Failure::failed(anyhow::anyhow!(
                            "{actor} cannot start: {error}"
                        )));
                    }
                    if told.insert(actor.clone(), error.clone()).as_ref() != Some(error) {
                        self.output
                            .progress(&format!("{actor} is tried again: {error}"));
                    }
                }
                let is_current =
                    |it: &&ReplicaStatus| it.is_current && it.state == ReplicaState::Ready;
                if replicas.len() == actors.len() && replicas.iter().all(is_current) {
                    return Ok(());
                }
            }
            let _or_look = tokio::time::timeout(LOOK_INTERVAL, self.node.replica_ready()).await;
        }
    }

    /// Says where providers listen that have not said so.
    fn announce(&self, app: &DesiredApp) {
        let mut told = BTreeMap::new();
        for replica in self.node.status().replicas {
            let (Some(address), true) = (&replica.address, replica.actor.app == app.app) else {
                continue;
            };
            let at = replica.listens_on().unwrap_or(address).to_owned();
            let name = replica.actor.name.clone();
            if self.state.lock().told.get(&name) != Some(&at) {
                let json = serde_json::json!({ "provider": name, "address": address });
                self.output
                    .result(&format!("{name} listens on {at}"), &json);
            }
            told.insert(name, at);
        }
        self.state.lock().told = told;
    }
}
