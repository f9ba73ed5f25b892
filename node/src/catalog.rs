//! What manifests are checked against: the registration tables, and component files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use wrt_component::{CompiledComponent, Engines, artefact, inspect, serves, unserved_imports};
use wrt_deployment::{
    Catalog, ComponentSource, Config, ConfigComplaint, Digest, ImportServer, ProviderBackend,
    SourceComplaint, TriggerBackend,
};
use wrt_host::LinkNeed;
use wrt_protocol::InterfaceName;

use crate::registry::{self, INTERFACES, PROVIDERS, TRIGGERS};

/// The real catalog: what this build has, and components relative to a folder.
pub struct NodeCatalog {
    folder: PathBuf,
    /// With engines, artefacts of `wrt-node compile` are taken as components too.
    engines: Option<Engines>,
    artefacts: Mutex<BTreeMap<Digest, CompiledComponent>>,
}

impl NodeCatalog {
    /// A catalog whose components lie relative to `folder`.
    #[must_use]
    pub fn new(folder: &Path, engines: Option<Engines>) -> Self {
        Self {
            folder: folder.to_owned(),
            engines,
            artefacts: Mutex::default(),
        }
    }

    /// The artefacts among the components that were read.
    #[must_use]
    pub fn into_artefacts(self) -> BTreeMap<Digest, CompiledComponent> {
        self.artefacts
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn artefact(&self, bytes: Bytes) -> Result<ComponentSource, SourceComplaint> {
        let Some(engines) = &self.engines else {
            return Err(SourceComplaint {
                message: "it is an artefact of `wrt-node compile`, and those do not travel".into(),
                help: "name the component it was made of: each node compiles it for itself".into(),
            });
        };
        let compiled = engines
            .load_artefact(&bytes)
            .map_err(|error| SourceComplaint {
                message: chain(&error),
                help: "run `wrt-node compile` of this build on this machine".to_owned(),
            })?;
        let (imports, exports) = (compiled.imports(), compiled.exports());
        let mut artefacts = self
            .artefacts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        artefacts.insert(Digest::of(&bytes), compiled);
        Ok(ComponentSource {
            bytes,
            imports,
            exports,
        })
    }
}

impl Catalog for NodeCatalog {
    fn provider_backends(&self) -> Vec<ProviderBackend> {
        let backend = |entry: &registry::ProviderEntry| ProviderBackend {
            name: entry.name.to_owned(),
            offers: entry.offers.to_vec(),
        };
        PROVIDERS.iter().map(backend).collect()
    }

    fn trigger_backends(&self) -> Vec<TriggerBackend> {
        let backend = |entry: &registry::TriggerEntry| TriggerBackend {
            name: entry.name.to_owned(),
            calls: entry.calls.clone(),
        };
        TRIGGERS.iter().map(backend).collect()
    }

    fn check_config(&self, backend: &str, config: &Config) -> Result<(), ConfigComplaint> {
        let providers = PROVIDERS.iter().map(|entry| (entry.name, entry.check));
        let mut checks = providers.chain(TRIGGERS.iter().map(|entry| (entry.name, entry.check)));
        let Some((_, check)) = checks.find(|(name, _)| *name == backend) else {
            return Ok(());
        };
        let lookup = |variable: &str| Some(std::env::var(variable).unwrap_or_default());
        let references: Vec<&str> = config
            .0
            .keys()
            .map(String::as_str)
            .filter(|f| config.is_reference(f))
            .collect();
        // Every reference has a value here, if only an empty one.
        let Ok(table) = config.resolve(&lookup) else {
            return Ok(());
        };
        let Err(message) = check(table) else {
            return Ok(());
        };
        let is_named = |field: &&String| message.contains(&format!("`{field}`"));
        let field = config.0.keys().find(is_named).cloned();
        // What this machine's environment says of a reference is nothing against it: another node
        // resolves it.
        let may_be_the_reference = field
            .as_deref()
            .is_none_or(|field| references.contains(&field));
        if !references.is_empty() && may_be_the_reference {
            return Ok(());
        }
        Err(ConfigComplaint {
            field,
            message: format!("backend `{backend}` refuses its configuration: {message}"),
            help: format!("see the documentation of the backend `{backend}` for its settings"),
        })
    }

    fn component(&self, source: &str) -> Result<ComponentSource, SourceComplaint> {
        let path = self.folder.join(source);
        let bytes = fs::read(&path).map_err(|error| SourceComplaint {
            message: format!("cannot read {}: {error}", path.display()),
            help: "build the component first; a path is relative to the manifest".to_owned(),
        })?;
        let bytes = Bytes::from(bytes);
        if artefact::is_artefact(&bytes) {
            return self.artefact(bytes);
        }
        let interfaces = inspect(&bytes).map_err(|error| SourceComplaint {
            message: format!("{}: {}", path.display(), chain(&error)),
            help: "name a component: `cargo build --target wasm32-wasip2` makes one".to_owned(),
        })?;
        let (imports, exports) = (interfaces.imports, interfaces.exports);
        Ok(ComponentSource {
            bytes,
            imports,
            exports,
        })
    }

    fn import(&self, import: &str) -> ImportServer {
        let is_given = unserved_imports(&[import.to_owned()], &[]).is_empty();
        let hosts = registry::host_interfaces();
        if let Some(host) = hosts.iter().find(|host| serves(host.as_ref(), import)) {
            return match host.link_need() {
                LinkNeed::Required => ImportServer::Link(host.name()),
                LinkNeed::Optional => ImportServer::OptionalLink(host.name()),
                LinkNeed::Never => ImportServer::Node,
            };
        }
        if is_given {
            return ImportServer::Node;
        }
        let import = [import.to_owned()];
        let unserved = unserved_imports(&import, &hosts).into_iter().next();
        ImportServer::Nobody {
            hint: unserved.map(|unserved| unserved.hint).unwrap_or_default(),
        }
    }

    fn export(&self, export: &str) -> Option<InterfaceName> {
        let offers = |interface: &&registry::InterfaceEntry| {
            interface
                .exports
                .iter()
                .any(|start| export.starts_with(start))
        };
        INTERFACES
            .iter()
            .find(offers)
            .map(|interface| interface.name.clone())
    }
}

/// An error and everything below it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}
