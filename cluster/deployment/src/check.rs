//! A manifest as a whole: do its parts fit each other, and what the nodes can run?

mod addresses;
mod apart;
mod cycles;
mod links;
mod providers;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wrt_protocol::{InterfaceName, Name, Shortage};

pub use addresses::addresses_clash;

use crate::{
    BackendInfo, Catalog, ComponentManifest, ComponentSource, DesiredApp, DesiredComponent,
    DesiredProvider, DesiredTarget, Digest, LinkEnd, LinkTable, Manifest, Problem, ProblemKind,
    Problems, ProviderFacts, ProviderManifest, TargetManifest, limits::COMPONENT_BYTES_MAX,
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
    /// Checks the manifest as a whole, and that it can be deployed beside `others`: the apps that the
    /// lattice has already, this one's own earlier revision perhaps among them.
    ///
    /// # Errors
    /// Every problem of it, those of single fields included.
    pub fn check(
        &self,
        catalog: &dyn Catalog,
        scope: Scope,
        others: &[&DesiredApp],
    ) -> Result<Checked, Problems> {
        let findings = Findings::default();
        let sources = read_sources(self, catalog, &findings);
        let check = Check {
            manifest: self,
            catalog,
            backends: catalog.backends(),
            sources: &sources,
            findings: &findings,
        };
        let facts = check.providers();
        let links = check.links();
        check.cycles();
        check.secrets();
        check.addresses(scope, &facts, others);
        let apart = check.apart();
        let found: Vec<Problem> = self
            .problems
            .iter()
            .cloned()
            .chain(findings.into_list())
            .collect();
        if !found.is_empty() {
            return Err(Problems::new(&self.file, &self.text, found));
        }
        Ok(self.checked(&sources, links, facts, apart))
    }

    /// The result, where nothing is wrong: each part that a check requires is there.
    fn checked(
        &self,
        sources: &Sources,
        mut links: BTreeMap<Name, LinkTable>,
        mut facts: BTreeMap<Name, ProviderFacts>,
        mut apart: BTreeMap<LinkEnd, BTreeSet<LinkEnd>>,
    ) -> Checked {
        let mut apart_from = |own| apart.remove(&own).unwrap_or_default();
        let mut components = BTreeMap::new();
        let mut app = DesiredApp::empty(self.app.get_ref().clone());
        for (name, component) in &self.components {
            let Some(source) = sources.get(name) else {
                continue;
            };
            let digest = Digest::of(&source.bytes);
            components.insert(digest, source.bytes.clone());
            let links = links.remove(name).unwrap_or_default();
            let mut desired = component.desired(digest, links);
            desired.placement.apart_from = apart_from(LinkEnd::Component(name.clone()));
            app.components.insert(name.clone(), desired);
        }
        for (name, provider) in &self.providers {
            let facts = facts.remove(name).unwrap_or_default();
            let mut desired = provider.desired(facts);
            desired.placement.apart_from = apart_from(LinkEnd::Provider(name.clone()));
            app.providers.insert(name.clone(), desired);
        }
        app.version = app.version_needed();
        Checked { app, components }
    }
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
                for shortage in component.limits.shortages(&read.needs) {
                    let message = format!("component `{name}`: {shortage}");
                    let Shortage { limit, needed, .. } = shortage;
                    let help = format!("write `limits = {{ {limit} = {needed} }}`, or more");
                    findings.add(ProblemKind::LimitTooLow, source.span(), message, help);
                }
                if component.limits.invocations_at_once_max() > 1 && !read.is_of_0_3 {
                    let message = format!(
                        "component `{name}` is made for WASI 0.2: an instance of it serves one \
                         invocation at a time"
                    );
                    let help = "take `invocations_at_once_max` out of its limits, or build it for \
                                WASI 0.3";
                    findings.add(
                        ProblemKind::Conflict,
                        source.span(),
                        message,
                        help.to_owned(),
                    );
                }
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
    backends: Vec<BackendInfo>,
    sources: &'a Sources,
    findings: &'a Findings,
}

/// Whom a link's text names.
enum Ends<'a> {
    Provider(&'a Name),
    Component(&'a Name),
    /// Its author has to say which one is meant.
    Both,
    Nobody,
}

impl Check<'_> {
    fn backend(&self, name: &str) -> Option<&BackendInfo> {
        self.backends.iter().find(|backend| backend.name == name)
    }

    fn component_name(&self, text: &str) -> Option<&Name> {
        let name = Name::new(text).ok()?;
        let (name, _) = self.manifest.components.get_key_value(&name)?;
        Some(name)
    }

    fn provider_name(&self, text: &str) -> Option<&Name> {
        let name = Name::new(text).ok()?;
        let (name, _) = self.manifest.providers.get_key_value(&name)?;
        Some(name)
    }

    fn ends(&self, text: &str) -> Ends<'_> {
        match (self.provider_name(text), self.component_name(text)) {
            (Some(provider), None) => Ends::Provider(provider),
            (None, Some(component)) => Ends::Component(component),
            (Some(_), Some(_)) => Ends::Both,
            (None, None) => Ends::Nobody,
        }
    }

    fn can_be_called(&self, source: &ComponentSource, interface: &InterfaceName) -> bool {
        let serves = |export: &String| self.catalog.exports(export).contains(interface);
        source.exports.iter().any(serves)
    }

    fn components_that_export<'c>(
        &'c self,
        interface: &'c InterfaceName,
    ) -> impl Iterator<Item = &'c Name> {
        let sources = self.sources.iter();
        let serving = sources.filter(move |(_, source)| self.can_be_called(source, interface));
        serving.map(|(name, _)| name)
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
    fn desired(&self, facts: ProviderFacts) -> DesiredProvider {
        let backend = self.backend.as_ref();
        DesiredProvider {
            backend: backend.map(|b| b.get_ref().clone()).unwrap_or_default(),
            config: self.config.config.clone(),
            calls: self
                .calls
                .iter()
                .filter_map(TargetManifest::desired)
                .collect(),
            address: facts.address,
            deduplicates_for_ms: facts.deduplicates_for_ms,
            placement: self.placement.clone(),
            limits: self.limits,
        }
    }
}

impl TargetManifest {
    /// `None` without a component, which is a problem that was told.
    fn desired(&self) -> Option<DesiredTarget> {
        Some(DesiredTarget {
            component: Name::new(self.component.as_ref()?.get_ref()).ok()?,
            selection: self.selection.config.clone(),
        })
    }
}

/// The names of exports, for people.
fn in_a_list(exports: &[String]) -> String {
    match exports {
        [] => "nothing".to_owned(),
        exports => exports.join(", "),
    }
}
