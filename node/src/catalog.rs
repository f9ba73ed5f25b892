//! What manifests are checked against: what the program is made of, and component files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use parking_lot::Mutex;
use wrt_component::{
    CompiledComponent, EngineKind, Engines, artefact, go_together, inspect, unserved_imports,
};
use wrt_deployment::{
    BackendInfo, Catalog, ComplaintAbout, ComponentSource, Config, Digest, ImportServer,
    ProviderComplaint, ProviderFacts, Reference, SourceComplaint,
};
use wrt_host::ImportedFrom;
use wrt_protocol::InterfaceName;
use wrt_runtime::{BackendEntry, Complaint, Referred, Runtime};

use crate::{AppEnvironment, cli::program, component_file};

/// The real catalog: what a program is made of, and components relative to a folder.
pub struct NodeCatalog {
    runtime: Runtime,
    folder: PathBuf,
    /// With engines, artefacts of `compile` are taken as components too.
    engines: Option<Engines>,
    environment: AppEnvironment,
    artefacts: Mutex<BTreeMap<Digest, CompiledComponent>>,
}

impl NodeCatalog {
    /// A catalog whose components lie relative to `folder`.
    #[must_use]
    pub fn new(runtime: Runtime, folder: &Path, engines: Option<Engines>) -> Self {
        Self {
            runtime,
            folder: folder.to_owned(),
            engines,
            environment: AppEnvironment::nothing(),
            artefacts: Mutex::default(),
        }
    }

    /// Knows what fills settings that a manifest leaves out, because everything runs in this process.
    #[must_use]
    pub fn with_environment(self, environment: AppEnvironment) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// The artefacts among the components that were read.
    #[must_use]
    pub fn into_artefacts(self) -> BTreeMap<Digest, CompiledComponent> {
        self.artefacts.into_inner()
    }

    fn artefact(&self, bytes: Bytes) -> Result<ComponentSource, SourceComplaint> {
        let Some(engines) = &self.engines else {
            return Err(SourceComplaint {
                message: "it is an artefact of `compile`, and those do not travel".into(),
                help: "name the component it was made of: each node compiles it for itself".into(),
            });
        };
        let compiled = engines
            .load_artefact(&bytes)
            .map_err(|error| SourceComplaint {
                message: chain(&error),
                help: format!(
                    "run `{} compile` of this build on this machine",
                    program::name()
                ),
            })?;
        let (imports, exports) = (compiled.imports(), compiled.exports());
        let needs = compiled.needs();
        let is_of_0_3 = compiled.kind() == EngineKind::Concurrent;
        let mut artefacts = self.artefacts.lock();
        artefacts.insert(Digest::of(&bytes), compiled);
        Ok(ComponentSource {
            bytes,
            imports,
            exports,
            needs,
            is_of_0_3,
        })
    }
}

impl Catalog for NodeCatalog {
    fn backends(&self) -> Vec<BackendInfo> {
        let info = |entry: &BackendEntry| BackendInfo {
            name: entry.name().to_owned(),
            offers: entry.offers(),
            calls: entry.calls(),
        };
        self.runtime.backends().iter().map(info).collect()
    }

    fn check_provider(
        &self,
        backend: &str,
        config: &Config,
        selections: &[Config],
    ) -> Result<ProviderFacts, Vec<ProviderComplaint>> {
        let Some(entry) = self.runtime.backend(backend) else {
            return Ok(ProviderFacts::default());
        };
        let referred = referred(config);
        let mut known = config.clone();
        known.0.retain(|field, _| !referred.contains_key(field));
        let selections = selections.iter().enumerate().map(|(at, selection)| {
            let table = selection.resolve(&|_variable| None);
            table.map_err(|_refers| no_references(at))
        });
        let selections = selections.collect::<Result<Vec<_>, _>>();
        let selections = selections.map_err(|complaint| vec![complaint])?;
        let table = known.resolve(&|_variable| None).unwrap_or_default();
        let environment = |variable: &str| self.environment.get(variable);
        let facts = entry.check(table, &referred, &selections, &environment);
        let facts = facts.map_err(|complaints| {
            let complaints = complaints.into_iter();
            complaints
                .map(|it| complaint(entry, it))
                .collect::<Vec<_>>()
        })?;
        Ok(ProviderFacts {
            address: facts.address,
            deduplicates_for_ms: facts.deduplicates_for_ms,
            called: facts.called,
        })
    }

    fn component(&self, source: &str) -> Result<ComponentSource, SourceComplaint> {
        let path = self.folder.join(source);
        let bytes = component_file::read(&path).map_err(|error| SourceComplaint {
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
        Ok(ComponentSource {
            bytes,
            imports: interfaces.imports,
            exports: interfaces.exports,
            needs: interfaces.needs,
            is_of_0_3: interfaces.engine == EngineKind::Concurrent,
        })
    }

    fn import(&self, import: &str) -> ImportServer {
        let matches = |served: &str| go_together(served, import);
        if let Some(imported) = self.runtime.imported(matches) {
            return match &imported.server {
                ImportedFrom::Node => ImportServer::Node,
                ImportedFrom::Link(kind) => ImportServer::Link(kind.interface.clone()),
                ImportedFrom::OptionalLink(kind) => {
                    ImportServer::OptionalLink(kind.interface.clone())
                }
            };
        }
        let imports = [import.to_owned()];
        let unserved = unserved_imports(&imports, self.runtime.packages());
        match unserved.into_iter().next() {
            None => ImportServer::Node,
            Some(unserved) => ImportServer::Nobody {
                hint: unserved.hint,
            },
        }
    }

    fn exports(&self, export: &str) -> Vec<InterfaceName> {
        self.runtime.exported(export)
    }
}

/// The settings that refer to what is not known here.
pub(crate) fn referred(config: &Config) -> BTreeMap<String, Referred> {
    let referred = |reference| match reference {
        Reference::Variable(variable) => Referred::Variable(variable.env),
        Reference::Secret(secret) => Referred::Secret(secret.to_string()),
    };
    let references = config.references().into_iter();
    references
        .map(|(field, reference)| (field, referred(reference)))
        .collect()
}

fn no_references(at: usize) -> ProviderComplaint {
    ProviderComplaint {
        about: ComplaintAbout::Selection(at, None),
        message: "what is called for is no reference".to_owned(),
        help: "write the value itself: every node must read the same".to_owned(),
    }
}

fn complaint(entry: &BackendEntry, complaint: Complaint) -> ProviderComplaint {
    let backend = entry.name();
    match complaint {
        Complaint::Setting(error) => ProviderComplaint {
            about: error.field().map_or(ComplaintAbout::Provider, |field| {
                ComplaintAbout::Config(field.to_owned())
            }),
            message: format!("backend `{backend}` refuses its configuration: {error}"),
            help: format!(
                "`{backend}` has these settings: {}",
                entry.fields().join(", ")
            ),
        },
        Complaint::Selection { at, field, message } => ProviderComplaint {
            about: ComplaintAbout::Selection(at, field),
            message: format!("backend `{backend}` cannot call this component so: {message}"),
            help: "each entry of `calls` is a component and what it is called for".to_owned(),
        },
    }
}

/// An error and everything below it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_served_by_a_link_by_the_node_or_by_nobody() {
        let runtime = Runtime::builder()
            .with::<wrt_config::WasiConfig, wrt_config::ConfigDefault>()
            .with_package::<wrt_logging::WasiLogging>();
        let runtime = runtime.build().expect("they go together");
        let catalog = NodeCatalog::new(runtime, Path::new(""), None);
        let config = ImportServer::Link(InterfaceName::from_static("wasi:config"));
        for (import, expected) in [
            ("wasi:config/store@0.2.0-rc.1", &config),
            ("wasi:config/runtime@0.2.0-draft", &config),
            ("wasi:logging/logging@0.1.0-draft", &ImportServer::Node),
            ("wasi:logging/logging", &ImportServer::Node),
            ("wasi:cli/stdout@0.2.0", &ImportServer::Node),
        ] {
            assert_eq!(&catalog.import(import), expected, "{import}");
        }
        let other = catalog.import("wasi:logging/logging@0.2.0");
        assert!(
            matches!(&other, ImportServer::Nobody { hint } if hint.contains("0.1.0-draft")),
            "{other:?}"
        );
    }
}
