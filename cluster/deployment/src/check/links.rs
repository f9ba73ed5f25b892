//! Each import has somebody who serves it, and each link somebody who uses it.

use std::collections::{BTreeMap, BTreeSet};

use wrt_protocol::{InterfaceName, Name};

use super::Check;
use crate::{
    ComponentManifest, ComponentSource, ImportServer, LinkManifest, LinkTable, ProblemKind,
    ProviderBackend, ProviderManifest, nearest,
};

impl Check<'_> {
    /// Checks all links, and answers those that hold.
    pub(super) fn links(&self) -> BTreeMap<Name, LinkTable> {
        let backends = self.catalog.provider_backends();
        let offered: BTreeSet<&InterfaceName> = backends.iter().flat_map(|b| &b.offers).collect();
        let mut tables = BTreeMap::new();
        for (name, component) in &self.manifest.components {
            let mut table = LinkTable::new();
            for link in &component.links {
                if self.link_holds(link, &offered, &backends) {
                    let provider = Name::new(link.provider.get_ref()).ok();
                    let links = table.entry(link.interface.get_ref().clone()).or_default();
                    links.extend(provider.map(|provider| (link.name.clone(), provider)));
                }
            }
            if let Some(source) = self.sources.get(name) {
                self.imports(component, source, &backends);
            }
            tables.insert(name.clone(), table);
        }
        tables
    }

    fn link_holds(
        &self,
        link: &LinkManifest,
        offered: &BTreeSet<&InterfaceName>,
        backends: &[ProviderBackend],
    ) -> bool {
        let interface = link.interface.get_ref();
        if !offered.contains(interface) {
            let known: Vec<&str> = offered.iter().map(|interface| interface.as_str()).collect();
            let help = match nearest(interface.as_str(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("providers offer: {}", known.join(", ")),
            };
            let message = format!("no backend offers the interface `{interface}`");
            let span = link.interface.span();
            self.findings
                .add(ProblemKind::UnknownInterface, span, message, help);
            return false;
        }
        let name = link.provider.get_ref().as_str();
        let Some(provider) = self.provider(name) else {
            let message = format!("`{interface}` is linked to `{name}`, which is no provider");
            let help = self.or_declare("provider", name, self.manifest.providers.keys());
            let span = link.provider.span();
            self.findings
                .add(ProblemKind::UnknownProvider, span, message, help);
            return false;
        };
        // A backend that does not exist is a problem of its own.
        let backend = provider
            .backend
            .as_ref()
            .map(|backend| backend.get_ref().as_str());
        let backend = backends
            .iter()
            .find(|known| Some(known.name.as_str()) == backend);
        if backend.is_some_and(|backend| !backend.offers.contains(interface)) {
            let backend = backend.map(|b| b.name.as_str()).unwrap_or_default();
            let message = format!("provider `{name}` does not offer `{interface}`");
            let help = format!(
                "backend `{backend}` has no such interface; these have: {}",
                those_that_offer(backends, interface)
            );
            let span = link.provider.span();
            self.findings
                .add(ProblemKind::WrongProvider, span, message, help);
            return false;
        }
        true
    }

    fn provider(&self, name: &str) -> Option<&ProviderManifest> {
        self.manifest.providers.get(&Name::new(name).ok()?)
    }

    fn imports(
        &self,
        component: &ComponentManifest,
        source: &ComponentSource,
        backends: &[ProviderBackend],
    ) {
        let name = component.name.get_ref();
        let mut needed: BTreeMap<InterfaceName, &str> = BTreeMap::new();
        let mut optional: BTreeSet<InterfaceName> = BTreeSet::new();
        for import in &source.imports {
            match self.catalog.import(import) {
                ImportServer::Node => {}
                ImportServer::OptionalLink(interface) => {
                    optional.insert(interface);
                }
                ImportServer::Link(interface) => {
                    needed.entry(interface).or_insert(import);
                }
                ImportServer::Nobody { hint } => {
                    let message =
                        format!("component `{name}` imports {import}, which nobody serves");
                    let span = component
                        .source
                        .as_ref()
                        .map_or(0..0, |source| source.span());
                    self.findings
                        .add(ProblemKind::UnservedImport, span, message, hint);
                }
            }
        }
        let is_linked = |interface: &InterfaceName| {
            component
                .links
                .iter()
                .any(|link| link.interface.get_ref() == interface)
        };
        for (interface, import) in needed.iter().filter(|(interface, _)| !is_linked(interface)) {
            let message = format!("component `{name}` imports {import}, which is not linked");
            let help = self.how_to_link(interface, backends);
            let span = component.name.span();
            self.findings
                .add(ProblemKind::MissingLink, span, message, help);
        }
        for link in &component.links {
            let interface = link.interface.get_ref();
            let is_offered = backends
                .iter()
                .any(|backend| backend.offers.contains(interface));
            let is_imported = needed.contains_key(interface) || optional.contains(interface);
            if is_offered && !is_imported {
                let message = format!("component `{name}` does not import `{interface}`");
                let help = "remove the link, or check that `source` is the right component";
                let span = link.interface.span();
                self.findings
                    .add(ProblemKind::UnusedLink, span, message, help);
            }
        }
    }

    fn how_to_link(&self, interface: &InterfaceName, backends: &[ProviderBackend]) -> String {
        let offers = |provider: &&ProviderManifest| {
            let backend = provider.backend.as_ref().map(|backend| backend.get_ref());
            backends
                .iter()
                .any(|b| Some(&b.name) == backend && b.offers.contains(interface))
        };
        match self.manifest.providers.values().find(offers) {
            Some(provider) => {
                format!(
                    "add `links = {{ \"{interface}\" = \"{}\" }}`",
                    provider.name.get_ref()
                )
            }
            None => format!(
                "add `[provider.store]` with `backend = \"...\"`, one of {}, and here `links = {{ \
                 \"{interface}\" = \"store\" }}`",
                those_that_offer(backends, interface)
            ),
        }
    }
}

fn those_that_offer(backends: &[ProviderBackend], interface: &InterfaceName) -> String {
    let offering = backends
        .iter()
        .filter(|backend| backend.offers.contains(interface));
    let names: Vec<&str> = offering.map(|backend| backend.name.as_str()).collect();
    names.join(", ")
}
