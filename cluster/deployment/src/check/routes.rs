//! Each route leads to a component that can answer, and no two lead the same requests away.

use std::collections::BTreeMap;

use wrt_protocol::{InterfaceName, Name};

use super::Check;
use crate::{ProblemKind, RouteManifest, TriggerManifest};

impl Check<'_> {
    pub(super) fn routes(&self) {
        for trigger in self.manifest.triggers.values() {
            if trigger.routes.is_empty() {
                let message = format!("trigger `{}` has no route", trigger.name.get_ref());
                let help = "add `routes = [{ host = \"*\", path = \"/\", component = \"...\" }]`";
                let span = trigger.name.span();
                self.findings
                    .add(ProblemKind::MissingField, span, message, help);
            }
            let calls = self.called_interface(trigger);
            let mut seen = BTreeMap::new();
            for route in &trigger.routes {
                self.form(route);
                self.target(route, calls.as_ref());
                let requests = (
                    route.host.get_ref().to_ascii_lowercase(),
                    route.path.get_ref(),
                );
                if seen.insert(requests, ()).is_some() {
                    let (host, path) = (route.host.get_ref(), route.path.get_ref());
                    let message = format!("a second route for host `{host}` and path `{path}`");
                    let help = "remove one, or give it another host or path";
                    let span = route.span.clone();
                    self.findings
                        .add(ProblemKind::DuplicateRoute, span, message, help);
                }
            }
        }
    }

    fn called_interface(&self, trigger: &TriggerManifest) -> Option<InterfaceName> {
        let backend = trigger.backend.as_ref()?.get_ref();
        let known = self.catalog.trigger_backends();
        known
            .into_iter()
            .find(|known| known.name == *backend)
            .map(|known| known.calls)
    }

    fn form(&self, route: &RouteManifest) {
        let path = route.path.get_ref();
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            let message = format!("no request has a path that starts with {path:?}");
            let help = "a path starts with `/` and has no query, fragment or blank";
            self.findings
                .add(ProblemKind::BadRoute, route.path.span(), message, help);
        }
        let host = route.host.get_ref();
        let is_name = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if host != "*" && !is_name {
            let message = format!("{host:?} is no host");
            let help = "write a host's name without a port, or `*` for all hosts";
            self.findings
                .add(ProblemKind::BadRoute, route.host.span(), message, help);
        }
    }

    fn target(&self, route: &RouteManifest, calls: Option<&InterfaceName>) {
        let Some(target) = &route.component else {
            return;
        };
        let text = target.get_ref();
        let name = Name::new(text)
            .ok()
            .filter(|n| self.manifest.components.contains_key(n));
        let Some(name) = name else {
            let message = format!("the route leads to `{text}`, which is no component");
            let help = self.or_declare("component", text, self.manifest.components.keys());
            self.findings
                .add(ProblemKind::UnknownComponent, target.span(), message, help);
            return;
        };
        // A component that cannot be read is a problem of its own, and so is an unknown backend.
        let (Some(source), Some(calls)) = (self.sources.get(&name), calls) else {
            return;
        };
        let answers = |export: &String| self.catalog.export(export).as_ref() == Some(calls);
        if !source.exports.iter().any(answers) {
            let message = format!("component `{name}` has no export that serves `{calls}`");
            let exports = match source.exports.as_slice() {
                [] => "nothing".to_owned(),
                exports => exports.join(", "),
            };
            let help = format!("it exports {exports}; lead the route to one that serves requests");
            self.findings
                .add(ProblemKind::WrongComponent, target.span(), message, help);
        }
    }
}
