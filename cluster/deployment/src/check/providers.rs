//! Each provider has a backend that takes its settings, and calls components that answer it.

use std::collections::BTreeMap;

use toml::Spanned;
use wrt_protocol::{InterfaceName, Name};

use super::{Check, in_a_list};
use crate::{
    BackendInfo, ComplaintAbout, Config, ProblemKind, ProviderComplaint, ProviderFacts,
    ProviderManifest, Span, TargetManifest, nearest,
};

impl Check<'_> {
    /// Checks all providers, and answers what their backends told of those that hold.
    pub(super) fn providers(&self) -> BTreeMap<Name, ProviderFacts> {
        let mut facts = BTreeMap::new();
        for (name, provider) in &self.manifest.providers {
            let Some(backend) = provider
                .backend
                .as_ref()
                .and_then(|b| self.known_backend(b))
            else {
                continue;
            };
            let told = self.ask_backend(provider, backend);
            self.targets(provider, backend, told.as_ref());
            if let Some(told) = told {
                facts.insert(name.clone(), told);
            }
        }
        facts
    }

    fn known_backend(&self, backend: &Spanned<String>) -> Option<&BackendInfo> {
        let name = backend.get_ref().as_str();
        if let Some(known) = self.backend(name) {
            return Some(known);
        }
        let known: Vec<&str> = self.backends.iter().map(|b| b.name.as_str()).collect();
        let mut help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? "),
            None => String::new(),
        };
        help += &format!("a provider has one of: {}", known.join(", "));
        let message = format!("no provider has the backend `{name}`");
        self.findings
            .add(ProblemKind::UnknownBackend, backend.span(), message, help);
        None
    }

    fn targets(
        &self,
        provider: &ProviderManifest,
        backend: &BackendInfo,
        told: Option<&ProviderFacts>,
    ) {
        let name = provider.name.get_ref();
        let calls_span = || {
            let span = provider.calls_span.clone();
            span.unwrap_or_else(|| provider.name.span())
        };
        let calls = backend.calls.as_slice();
        if calls.is_empty() {
            if provider.calls_span.is_some() {
                let message = format!("backend `{}` calls no component", backend.name);
                let help = format!("remove `calls` from provider `{name}`");
                self.findings
                    .add(ProblemKind::UnusedTarget, calls_span(), message, help);
            }
            return;
        }
        // What it serves a link with is reason enough for it to be there. Targets that are no tables were
        // told.
        let has_targets = !provider.calls.is_empty() || provider.calls_are_partial;
        if !has_targets && !self.is_linked(name) {
            let message = format!("provider `{name}` calls no component");
            let mut callable = calls.iter().flat_map(|it| self.components_that_export(it));
            let component = callable.next();
            let component = component.map_or("my-component", Name::as_str);
            let help = format!(
                "add `calls = [{{ component = \"{component}\" }}]`, and beside `component` what \
                 backend `{}` selects by",
                backend.name
            );
            self.findings
                .add(ProblemKind::MissingField, calls_span(), message, help);
        }
        let called = told.map(|told| told.called.as_slice()).unwrap_or_default();
        for (at, target) in provider.calls.iter().enumerate() {
            // Of one that its backend does not understand, anything that it calls will do.
            let called = called.get(at).map_or(calls, std::slice::from_ref);
            self.target(provider, target, called);
        }
    }

    /// Whether a component has a link that ends there.
    fn is_linked(&self, provider: &Name) -> bool {
        let components = self.manifest.components.values();
        let mut links = components.flat_map(|component| &component.links);
        links.any(|link| link.end.get_ref() == provider.as_str())
    }

    fn target(
        &self,
        provider: &ProviderManifest,
        target: &TargetManifest,
        calls: &[InterfaceName],
    ) {
        let Some(component) = &target.component else {
            return;
        };
        let text = component.get_ref();
        let Some(name) = self.component_name(text) else {
            let message = format!(
                "provider `{}` calls `{text}`, which is no component",
                provider.name.get_ref()
            );
            let help = self.or_declare("component", text, self.manifest.components.keys());
            self.findings.add(
                ProblemKind::UnknownComponent,
                component.span(),
                message,
                help,
            );
            return;
        };
        // A component that cannot be read is a problem of its own.
        let Some(source) = self.sources.get(name) else {
            return;
        };
        if !calls.iter().any(|it| self.can_be_called(source, it)) {
            let served: Vec<String> = calls.iter().map(|it| format!("`{it}`")).collect();
            let served = served.join(" or ");
            let message = format!("component `{name}` has no export that serves {served}");
            let others = calls.iter().flat_map(|it| self.components_that_export(it));
            let others: Vec<&str> = others.map(Name::as_str).collect();
            let instead = match others.as_slice() {
                [] => String::new(),
                others => format!("; these serve it: {}", others.join(", ")),
            };
            let help = format!("it exports {}{instead}", in_a_list(&source.exports));
            self.findings
                .add(ProblemKind::WrongComponent, component.span(), message, help);
        }
    }

    /// What the backend tells of the provider; `None` if it refuses it, or was not asked because what
    /// it would be told is not what the manifest says.
    fn ask_backend(
        &self,
        provider: &ProviderManifest,
        backend: &BackendInfo,
    ) -> Option<ProviderFacts> {
        let targets = &provider.calls;
        let is_partial = provider.config.is_partial
            || provider.calls_are_partial
            || targets.iter().any(|target| target.selection.is_partial);
        if is_partial {
            return None;
        }
        let selections: Vec<Config> = targets
            .iter()
            .map(|target| target.selection.config.clone())
            .collect();
        let config = &provider.config.config;
        let checked = self
            .catalog
            .check_provider(&backend.name, config, &selections);
        match checked {
            Ok(facts) => Some(facts),
            Err(complaints) => {
                for complaint in complaints {
                    self.complain(provider, complaint);
                }
                None
            }
        }
    }

    fn complain(&self, provider: &ProviderManifest, complaint: ProviderComplaint) {
        let target = |at: &usize| provider.calls.get(*at);
        let (kind, span): (_, Option<Span>) = match &complaint.about {
            ComplaintAbout::Provider => (ProblemKind::BadConfig, None),
            ComplaintAbout::Config(field) => {
                let span = provider.config.spans.get(field).cloned();
                (ProblemKind::BadConfig, span)
            }
            ComplaintAbout::Selection(at, field) => {
                let target = target(at);
                let span = target.and_then(|target| {
                    let field = target.selection.spans.get(field.as_ref()?);
                    field.cloned()
                });
                let span = span.or_else(|| target.map(|target| target.span.clone()));
                (ProblemKind::BadSelection, span)
            }
        };
        let span = span.unwrap_or_else(|| provider.name.span());
        self.findings
            .add(kind, span, complaint.message, complaint.help);
    }
}
