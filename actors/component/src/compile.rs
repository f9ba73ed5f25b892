//! From bytes to machine code.

use std::{
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use tracing::{info, warn};
use wasmtime::{
    Engine,
    component::{Component, ResourceType, types::ComponentItem},
};
use wrt_protocol::ComponentNeeds;

use crate::{
    ComponentDigest, ComponentError, EngineKind, Engines,
    artefact::{self, ArtefactError, ArtefactHeader},
    deserialise::{Provenance, deserialise},
    engine::EnginesInner,
    inspect,
    kept::Shelves,
};

/// A component in machine code of this machine. Cheap to clone.
#[derive(Clone)]
pub struct CompiledComponent(Arc<Compiled>);

/// A [`CompiledComponent`], for as long as somebody else has it.
#[derive(Debug, Clone)]
pub struct WeakCompiled(Weak<Compiled>);

struct Compiled {
    component: Component,
    /// For as long as there is code to run, its epochs go on.
    engines: Engines,
    kind: EngineKind,
    digest: ComponentDigest,
    needs: ComponentNeeds,
}

impl WeakCompiled {
    /// The component, if somebody still has it.
    #[must_use]
    pub fn upgrade(&self) -> Option<CompiledComponent> {
        self.0.upgrade().map(CompiledComponent)
    }
}

impl CompiledComponent {
    /// The same, without being what keeps it.
    #[must_use]
    pub fn downgrade(&self) -> WeakCompiled {
        WeakCompiled(Arc::downgrade(&self.0))
    }

    /// The engine that it runs on.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.0.kind
    }

    /// The digest of the component that it was made of.
    #[must_use]
    pub fn digest(&self) -> ComponentDigest {
        self.0.digest
    }

    /// What its instances need.
    #[must_use]
    pub fn needs(&self) -> ComponentNeeds {
        self.0.needs
    }

    /// The component, as the engine has it.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.0.component
    }

    /// Where the instances of its engine wait.
    pub(crate) fn shelves(&self) -> &Shelves {
        self.0.engines.shelves(self.0.kind)
    }

    /// Gives up instances that only wait, where the pool has little room left.
    pub(crate) fn make_room(&self) {
        self.0.engines.make_room(self.0.kind);
    }

    /// What somebody must serve: the names of [`crate::ComponentInterfaces::imports`].
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        let component = &self.0.component;
        let (engine, ty) = (component.engine(), component.component_type());
        let mut resources = Vec::new();
        ty.imports(engine)
            .filter(|(_, import)| asks_for_something(engine, &import.ty, &mut resources))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// What it serves.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        let component = &self.0.component;
        let (engine, ty) = (component.engine(), component.component_type());
        ty.exports(engine)
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

impl fmt::Debug for CompiledComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledComponent")
            .field("digest", &self.0.digest)
            .field("kind", &self.0.kind)
            .finish_non_exhaustive()
    }
}

impl Engines {
    /// Compiles a component, or takes it from the cache.
    ///
    /// # Errors
    /// When the bytes are not a component, or one that the compiler refuses. A cache that cannot be
    /// read or written is no error: the component is compiled, and a warning logged.
    ///
    /// # Cancel safety
    /// A job that has begun goes on to its end and fills the cache; it counts as a job until then.
    pub async fn compile(&self, bytes: Bytes) -> Result<CompiledComponent, ComponentError> {
        self.job(bytes, |engines, bytes| {
            let (header, _code, component) = engines.compile_or_load(bytes)?;
            Ok(engines.compiled(&header, component))
        })
        .await
    }

    /// Compiles a component that lies in a file, or takes it from the cache. The file is read when it is
    /// its turn, so that those who wait hold no memory.
    ///
    /// # Errors
    /// As [`compile`](Self::compile); [`ComponentError::Unread`] and [`ComponentError::Another`] where
    /// the file is not what it should be.
    ///
    /// # Cancel safety
    /// As [`compile`](Self::compile).
    pub async fn compile_file(
        &self,
        path: PathBuf,
        digest: ComponentDigest,
    ) -> Result<CompiledComponent, ComponentError> {
        self.job(path, move |engines, path| {
            let unread = |source| ComponentError::Unread {
                path: path.clone(),
                source,
            };
            let bytes = fs::read(path).map_err(unread)?;
            if ComponentDigest::of(&bytes) != digest {
                return Err(ComponentError::Another { path: path.clone() });
            }
            let (header, _code, component) = engines.compile_or_load(&bytes)?;
            Ok(engines.compiled(&header, component))
        })
        .await
    }

    /// Compiles a component to bytes for [`load_artefact`](Self::load_artefact), on this machine or
    /// another one of its kind with the same version of this program.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub async fn compile_artefact(&self, bytes: Bytes) -> Result<Vec<u8>, ComponentError> {
        self.job(bytes, |engines, bytes| {
            let (header, code, _component) = engines.compile_or_load(bytes)?;
            Ok(artefact::write(&header, &code))
        })
        .await
    }

    /// Takes up what [`compile_artefact`](Self::compile_artefact) made.
    ///
    /// Machine code cannot be checked: whoever names an artefact to a node trusts it as they trust
    /// the node's own program. The checks here find what is old, damaged or meant for another
    /// machine, and not what is malicious. Never give it bytes that came over a network.
    ///
    /// # Errors
    /// A refusal that says what does not fit.
    pub fn load_artefact(&self, bytes: &[u8]) -> Result<CompiledComponent, ArtefactError> {
        let (header, code) = artefact::read(bytes)?;
        let engine = self
            .engine(header.engine)
            .map_err(|error| ArtefactError::Engine(Box::new(error)))?;
        header.check(&ArtefactHeader::of(
            engine,
            header.engine,
            header.component,
            header.needs,
        ))?;
        let component = deserialise(engine, code, Provenance::NamedByOperator)
            .map_err(ArtefactError::Refused)?;
        Ok(self.compiled(&header, component))
    }

    async fn job<S: Send + Sync + 'static, T: Send + 'static>(
        &self,
        source: S,
        job: impl FnOnce(&Self, &S) -> Result<T, ComponentError> + Send + 'static,
    ) -> Result<T, ComponentError> {
        let permit = Arc::clone(&self.0.jobs).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let engines = self.clone();
        let pool = self.0.pool.clone();
        let run = move || {
            // Held by the job and not by its caller, which may go away before it.
            let _permit = permit;
            pool.run(|| job(&engines, &source))
        };
        let ended = tokio::task::spawn_blocking(run).await;
        ended.unwrap_or(Err(ComponentError::CompileStopped))
    }

    fn compile_or_load(
        &self,
        bytes: &[u8],
    ) -> Result<(ArtefactHeader, Vec<u8>, Component), ComponentError> {
        let interfaces = inspect(bytes)?;
        let engine = self.engine(interfaces.engine)?;
        let digest = ComponentDigest::of(bytes);
        let header = ArtefactHeader::of(engine, interfaces.engine, digest, interfaces.needs);
        if let Some(code) = self.0.cached(&header) {
            match deserialise(engine, &code, Provenance::WrittenByThisNode) {
                Ok(component) => return Ok((header, code, component)),
                Err(error) => {
                    warn!(
                        error = format!("{error:#}"),
                        "compiled code from the cache is refused"
                    );
                }
            }
        }
        let started = std::time::Instant::now();
        self.0.compilations.fetch_add(1, Relaxed);
        let code = engine
            .precompile_component(bytes)
            .map_err(ComponentError::Compile)?;
        let component = deserialise(engine, &code, Provenance::JustCompiled)
            .map_err(ComponentError::Compile)?;
        info!(
            component = %header.component,
            engine = %header.engine,
            millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "compiled"
        );
        self.0.keep(&header, &code);
        Ok((header, code, component))
    }

    fn compiled(&self, header: &ArtefactHeader, component: Component) -> CompiledComponent {
        CompiledComponent(Arc::new(Compiled {
            needs: header.needs,
            component,
            engines: self.clone(),
            kind: header.engine,
            digest: header.component,
        }))
    }
}

/// Whether somebody must serve an import: an instance that only names types, and `resources` of imports
/// before it, asks for nothing.
fn asks_for_something(
    engine: &Engine,
    import: &ComponentItem,
    resources: &mut Vec<ResourceType>,
) -> bool {
    match import {
        ComponentItem::Type(_) => false,
        ComponentItem::Resource(resource) => {
            let is_new = !resources.contains(resource);
            if is_new {
                resources.push(*resource);
            }
            is_new
        }
        ComponentItem::ComponentInstance(instance) => {
            let exports = instance.exports(engine);
            // All of them: each may define a resource.
            let asks = exports.map(|(_, export)| asks_for_something(engine, &export.ty, resources));
            asks.fold(false, |any, asks| any | asks)
        }
        _ => true,
    }
}

impl EnginesInner {
    fn cached(&self, header: &ArtefactHeader) -> Option<Vec<u8>> {
        match self.cache.as_ref()?.get(header) {
            Ok(code) => code,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "the cache is not used"
                );
                None
            }
        }
    }

    fn keep(&self, header: &ArtefactHeader, code: &[u8]) {
        let Some(cache) = &self.cache else { return };
        if let Err(error) = cache.put(header, code) {
            warn!(
                error = &error as &dyn std::error::Error,
                "compiled code is not kept"
            );
        }
    }
}
