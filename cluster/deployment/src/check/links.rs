//! Each import has somebody who serves it, and each link somebody who uses it.

use std::collections::{BTreeMap, BTreeSet};

use wrt_protocol::{InterfaceName, Name};

use super::{Check, Ends, cycles::leads_to, in_a_list};
use crate::{
    ComponentManifest, ComponentSource, ImportServer, LinkEnd, LinkManifest, LinkTable,
    ProblemKind, nearest,
};

impl Check<'_> {
    /// Checks all links, and answers those that hold.
    pub(super) fn links(&self) -> BTreeMap<Name, LinkTable> {
        let known = self.known_interfaces();
        let mut tables = BTreeMap::new();
        for (name, component) in &self.manifest.components {
            let source = self.sources.get(name);
            let mut table = LinkTable::new();
            for link in &component.links {
                if !self.interface_is_known(link, source, &known) {
                    continue;
                }
                if let Some(end) = self.end_that_serves(link) {
                    let links = table.entry(link.interface.get_ref().clone()).or_default();
                    links.insert(link.name.clone(), end);
                }
            }
            if let Some(source) = source {
                self.imports(component, source, &known);
            }
            tables.insert(name.clone(), table);
        }
        tables
    }

    /// What can be linked at all: what a backend offers, and what a component of the app imports or
    /// can be called by.
    fn known_interfaces(&self) -> BTreeSet<InterfaceName> {
        let offered = self.backends.iter().flat_map(|backend| &backend.offers);
        let mut known: BTreeSet<InterfaceName> = offered.cloned().collect();
        for source in self.sources.values() {
            known.extend(source.exports.iter().flat_map(|e| self.catalog.exports(e)));
            known.extend(source.imports.iter().filter_map(
                |import| match self.catalog.import(import) {
                    ImportServer::Link(interface) | ImportServer::OptionalLink(interface) => {
                        Some(interface)
                    }
                    ImportServer::Node | ImportServer::Nobody { .. } => None,
                },
            ));
        }
        known
    }

    fn interface_is_known(
        &self,
        link: &LinkManifest,
        source: Option<&ComponentSource>,
        known: &BTreeSet<InterfaceName>,
    ) -> bool {
        let interface = link.interface.get_ref();
        if known.contains(interface) {
            return true;
        }
        let names: Vec<&str> = known.iter().map(InterfaceName::as_str).collect();
        let help = match nearest(interface.as_str(), names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            // The component, which cannot be read, may well import it.
            None if source.is_none() => return false,
            None => format!("these can be linked: {}", names.join(", ")),
        };
        let message = format!("nobody offers or imports the interface `{interface}`");
        let span = link.interface.span();
        self.findings
            .add(ProblemKind::UnknownInterface, span, message, help);
        false
    }

    fn end_that_serves(&self, link: &LinkManifest) -> Option<LinkEnd> {
        let interface = link.interface.get_ref();
        let (text, span) = (link.end.get_ref().as_str(), link.end.span());
        match self.ends(text) {
            Ends::Provider(name) => self
                .provider_serves(name, link)
                .then(|| LinkEnd::Provider(name.clone())),
            Ends::Component(name) => self
                .component_serves(name, link)
                .then(|| LinkEnd::Component(name.clone())),
            Ends::Both => {
                let message =
                    format!("`{interface}` is linked to `{text}`, a provider and a component");
                let help = "rename one of them, so that the link can mean only the other";
                self.findings.add(ProblemKind::BadName, span, message, help);
                None
            }
            Ends::Nobody => {
                let message = format!(
                    "`{interface}` is linked to `{text}`, which is no provider and no component"
                );
                let known = self.manifest.providers.keys();
                let known = known.chain(self.manifest.components.keys());
                let help = self.or_declare("provider", text, known);
                self.findings
                    .add(ProblemKind::UnknownProvider, span, message, help);
                None
            }
        }
    }

    fn provider_serves(&self, name: &Name, link: &LinkManifest) -> bool {
        let interface = link.interface.get_ref();
        // A backend that does not exist is a problem of its own.
        let backend = self.manifest.providers[name].backend.as_ref();
        let Some(backend) = backend.and_then(|backend| self.backend(backend.get_ref())) else {
            return true;
        };
        if backend.offers.contains(interface) {
            return true;
        }
        let message = format!("provider `{name}` does not offer `{interface}`");
        let help = format!(
            "backend `{}` has no such interface; {}",
            backend.name,
            self.who_serves(interface)
        );
        self.findings
            .add(ProblemKind::WrongProvider, link.end.span(), message, help);
        false
    }

    fn component_serves(&self, name: &Name, link: &LinkManifest) -> bool {
        let interface = link.interface.get_ref();
        // A component that cannot be read is a problem of its own.
        let Some(source) = self.sources.get(name) else {
            return true;
        };
        if self.can_be_called(source, interface) {
            return true;
        }
        let message = format!("component `{name}` has no export that serves `{interface}`");
        let help = format!(
            "it exports {}; {}",
            in_a_list(&source.exports),
            self.who_serves(interface)
        );
        self.findings
            .add(ProblemKind::WrongComponent, link.end.span(), message, help);
        false
    }

    fn imports(
        &self,
        component: &ComponentManifest,
        source: &ComponentSource,
        known: &BTreeSet<InterfaceName>,
    ) {
        let name = component.name.get_ref();
        let mut needed: BTreeMap<InterfaceName, &str> = BTreeMap::new();
        let mut optional = BTreeSet::new();
        for import in &source.imports {
            match self.catalog.import(import) {
                ImportServer::Node => {}
                ImportServer::Link(interface) => {
                    needed.entry(interface).or_insert(import);
                }
                ImportServer::OptionalLink(interface) => {
                    optional.insert(interface);
                }
                ImportServer::Nobody { hint } => {
                    let message =
                        format!("component `{name}` imports {import}, which nobody serves");
                    let source = component.source.as_ref();
                    let span = source.map_or(0..0, |source| source.span());
                    self.findings
                        .add(ProblemKind::UnservedImport, span, message, hint);
                }
            }
        }
        let is_linked = |interface: &InterfaceName| {
            let mut links = component.links.iter();
            links.any(|link| link.interface.get_ref() == interface)
        };
        for (interface, import) in needed.iter().filter(|(interface, _)| !is_linked(interface)) {
            let message = format!("component `{name}` imports {import}, which is not linked");
            let help = self.how_to_link(name, interface);
            let span = component.name.span();
            self.findings
                .add(ProblemKind::MissingLink, span, message, help);
        }
        for link in &component.links {
            let interface = link.interface.get_ref();
            let is_used = needed.contains_key(interface) || optional.contains(interface);
            if known.contains(interface) && !is_used {
                let message = format!("component `{name}` does not import `{interface}`");
                let help = "remove the link, or check that `source` is the right component";
                let span = link.interface.span();
                self.findings
                    .add(ProblemKind::UnusedLink, span, message, help);
            }
        }
    }

    /// What to do about an import of `importer` that has no link: first whom it could be linked to.
    fn how_to_link(&self, importer: &Name, interface: &InterfaceName) -> String {
        let calls = self.calls_between_components();
        let ends: Vec<&str> = self
            .providers_that_offer(interface)
            .chain(
                self.components_that_export(interface)
                    .filter(|component| !leads_to(&calls, component, importer)),
            )
            .map(Name::as_str)
            .collect();
        if let Some((first, rest)) = ends.split_first() {
            let others = match rest {
                [] => String::new(),
                others => format!(", or to one of: {}", others.join(", ")),
            };
            return format!("add `links = {{ \"{interface}\" = \"{first}\" }}`{others}");
        }
        let backends = self.backends_that_offer(interface);
        if backends.is_empty() {
            return format!(
                "link `{interface}` to a component that exports it: no backend offers it"
            );
        }
        format!(
            "add `[provider.store]` with `backend = \"...\"`, one of {}, and here `links = {{ \
             \"{interface}\" = \"store\" }}`",
            backends.join(", ")
        )
    }

    /// Who could be put in the place of a wrong end.
    fn who_serves(&self, interface: &InterfaceName) -> String {
        let providers = self.providers_that_offer(interface);
        let ends: Vec<&str> = providers
            .chain(self.components_that_export(interface))
            .map(Name::as_str)
            .collect();
        let backends = self.backends_that_offer(interface);
        match (ends.as_slice(), backends.as_slice()) {
            ([], []) => "no backend has it".to_owned(),
            ([], backends) => format!("these backends have it: {}", backends.join(", ")),
            (ends, _) => format!("these serve it: {}", ends.join(", ")),
        }
    }

    fn providers_that_offer<'c>(
        &'c self,
        interface: &'c InterfaceName,
    ) -> impl Iterator<Item = &'c Name> {
        let offers = |backend: &str| {
            let backend = self.backend(backend);
            backend.is_some_and(|backend| backend.offers.contains(interface))
        };
        let providers = self.manifest.providers.iter();
        providers.filter_map(move |(name, provider)| {
            let backend = provider.backend.as_ref()?;
            offers(backend.get_ref()).then_some(name)
        })
    }

    fn backends_that_offer(&self, interface: &InterfaceName) -> Vec<&str> {
        let backends = self.backends.iter();
        let offering = backends.filter(|backend| backend.offers.contains(interface));
        offering.map(|backend| backend.name.as_str()).collect()
    }
}
