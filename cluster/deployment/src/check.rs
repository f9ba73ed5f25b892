//! A manifest as a whole: do its parts fit each other, and what the nodes can run?

mod addresses;
mod links;
mod routes;

use std::collections::BTreeMap;

use bytes::Bytes;
use toml::Spanned;
use wrt_protocol::Name;

use crate::{
    Catalog, ComponentManifest, ComponentSource, DESIRED_VERSION, DesiredApp, DesiredComponent,
    DesiredProvider, DesiredTrigger, Digest, LinkTable, Manifest, Problem, ProblemKind, Problems,
    ProviderManifest, Route, SettingsManifest, TriggerManifest, limits::COMPONENT_BYTES_MAX,
    manifest::Findings, nearest,
};

/// Where an app is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On a lattice, each part where its `nodes`, `labels` and `replicas` say.
    Lattice,
    /// All of it in one process, whatever `nodes` says.
    SingleNode,
}

/// An app that fits, and the code that it needs.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What is desired.
    pub app: DesiredApp,
    /// Each component by its digest.
    pub components: BTreeMap<Digest, Bytes>,
}

impl Manifest {
    /// Checks the manifest as a whole.
    ///
    /// # Errors
    /// Every problem of it, those of single fields included.
    pub fn check(&self, catalog: &dyn Catalog, scope: Scope) -> Result<Checked, Problems> {
        let findings = Findings::default();
        let sources = read_sources(self, catalog, &findings);
        let check = Check {
            manifest: self,
            catalog,
            sources: &sources,
            findings: &findings,
        };
        check.names();
        check.backends();
        let links = check.links();
        check.routes();
        check.addresses(scope);
        let found: Vec<Problem> = self
            .problems
            .iter()
            .cloned()
            .chain(findings.into_list())
            .collect();
        if !found.is_empty() {
            return Err(Problems::new(&self.file, &self.text, found));
        }
        Ok(self.checked(&sources, links))
    }

    /// The result, where nothing is wrong: each part that a check requires is there.
    fn checked(&self, sources: &Sources, mut links: BTreeMap<Name, LinkTable>) -> Checked {
        let mut components = BTreeMap::new();
        let mut app = DesiredApp {
            version: DESIRED_VERSION,
            ..DesiredApp::empty(self.app.get_ref().clone())
        };
        for (name, component) in &self.components {
            let Some(source) = sources.get(name) else {
                continue;
            };
            let digest = Digest::of(&source.bytes);
            components.insert(digest, source.bytes.clone());
            let links = links.remove(name).unwrap_or_default();
            app.components
                .insert(name.clone(), component.desired(digest, links));
        }
        app.providers = desired(&self.providers, ProviderManifest::desired);
        app.triggers = desired(&self.triggers, TriggerManifest::desired);
        Checked { app, components }
    }
}

fn desired<M, D>(manifests: &BTreeMap<Name, M>, make: fn(&M) -> D) -> BTreeMap<Name, D> {
    manifests
        .iter()
        .map(|(name, manifest)| (name.clone(), make(manifest)))
        .collect()
}

/// The components that could be read.
type Sources = BTreeMap<Name, ComponentSource>;

fn read_sources(manifest: &Manifest, catalog: &dyn Catalog, findings: &Findings) -> Sources {
    let mut sources = Sources::new();
    for (name, component) in &manifest.components {
        let Some(source) = &component.source else {
            continue;
        };
        match catalog.component(source.get_ref()) {
            Ok(read) if read.bytes.len() > COMPONENT_BYTES_MAX => {
                let message = format!("component `{name}` has {} bytes", read.bytes.len());
                let help = format!("a component has at most {COMPONENT_BYTES_MAX}: strip it");
                findings.add(ProblemKind::TooLarge, source.span(), message, help);
            }
            Ok(read) => {
                sources.insert(name.clone(), read);
            }
            Err(complaint) => {
                let kind = ProblemKind::BadSource;
                findings.add(kind, source.span(), complaint.message, complaint.help);
            }
        }
    }
    sources
}

/// What the single checks have in common.
struct Check<'a> {
    manifest: &'a Manifest,
    catalog: &'a dyn Catalog,
    sources: &'a Sources,
    findings: &'a Findings,
}

impl Check<'_> {
    /// On the lattice a trigger is a provider, so that both have one space of names.
    fn names(&self) {
        for (name, trigger) in &self.manifest.triggers {
            if self.manifest.providers.contains_key(name) {
                let message = format!("`{name}` is a provider and a trigger");
                let help = "give one of them another name: they share their names";
                self.findings
                    .add(ProblemKind::BadName, trigger.name.span(), message, help);
            }
        }
    }

    fn backends(&self) {
        let providers = self.catalog.provider_backends();
        let triggers = self.catalog.trigger_backends();
        let provider_names: Vec<&str> = providers.iter().map(|b| b.name.as_str()).collect();
        let trigger_names: Vec<&str> = triggers.iter().map(|b| b.name.as_str()).collect();
        for provider in self.manifest.providers.values() {
            let Some(backend) = &provider.backend else {
                continue;
            };
            if self.backend_exists("provider", backend, &provider_names, &trigger_names) {
                self.config(&provider.name, &provider.config, backend);
            }
        }
        for trigger in self.manifest.triggers.values() {
            let Some(backend) = &trigger.backend else {
                continue;
            };
            if self.backend_exists("trigger", backend, &trigger_names, &provider_names) {
                self.config(&trigger.name, &trigger.config, backend);
            }
        }
    }

    fn backend_exists(
        &self,
        noun: &str,
        backend: &Spanned<String>,
        known: &[&str],
        of_the_other: &[&str],
    ) -> bool {
        let name = backend.get_ref().as_str();
        if known.contains(&name) {
            return true;
        }
        let mut help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? "),
            None => String::new(),
        };
        if of_the_other.contains(&name) {
            let other = if noun == "provider" {
                "trigger"
            } else {
                "provider"
            };
            help =
                format!("`{name}` is the backend of a {other}: declare it as `[{other}.<name>]`; ");
        }
        help += &format!("a {noun} has one of: {}", known.join(", "));
        let message = format!("no {noun} has the backend `{name}`");
        self.findings
            .add(ProblemKind::UnknownBackend, backend.span(), message, help);
        false
    }

    fn config(&self, name: &Spanned<Name>, settings: &SettingsManifest, backend: &Spanned<String>) {
        let Err(complaint) = self
            .catalog
            .check_config(backend.get_ref(), &settings.config)
        else {
            return;
        };
        let span = complaint
            .field
            .and_then(|field| settings.spans.get(&field).cloned());
        let span = span.unwrap_or_else(|| name.span());
        self.findings.add(
            ProblemKind::BadConfig,
            span,
            complaint.message,
            complaint.help,
        );
    }

    /// What to do about a name that is not there.
    fn or_declare<'n>(
        &self,
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'n Name>,
    ) -> String {
        let known: Vec<&str> = known.map(Name::as_str).collect();
        match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("declare it: `[{kind}.{name}]`"),
            None => format!(
                "declare it as `[{kind}.{name}]`, or use one of: {}",
                known.join(", ")
            ),
        }
    }
}

impl ComponentManifest {
    fn desired(&self, digest: Digest, links: LinkTable) -> DesiredComponent {
        DesiredComponent {
            digest,
            environment: self.environment.clone(),
            placement: self.placement.clone(),
            links,
            limits: self.limits,
        }
    }
}

impl ProviderManifest {
    fn desired(&self) -> DesiredProvider {
        DesiredProvider {
            backend: self
                .backend
                .as_ref()
                .map(|b| b.get_ref().clone())
                .unwrap_or_default(),
            config: self.config.config.clone(),
            placement: self.placement.clone(),
            limits: self.limits,
        }
    }
}

impl TriggerManifest {
    fn desired(&self) -> DesiredTrigger {
        let text = |text: &Option<Spanned<String>>| {
            text.as_ref()
                .map(|text| text.get_ref().clone())
                .unwrap_or_default()
        };
        let route = |route: &crate::RouteManifest| {
            let component = Name::new(route.component.as_ref()?.get_ref()).ok()?;
            Some(Route {
                host: route.host.get_ref().clone(),
                path: route.path.get_ref().clone(),
                component,
            })
        };
        DesiredTrigger {
            backend: text(&self.backend),
            address: text(&self.address),
            routes: self.routes.iter().filter_map(route).collect(),
            request_timeout_ms: self.request_timeout_ms,
            placement: self.placement.clone(),
            config: self.config.config.clone(),
        }
    }
}
