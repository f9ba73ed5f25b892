//! `[trigger.<name>]`

use toml::Spanned;
use wrt_protocol::Name;

use super::{section::Section, settings::SettingsManifest};
use crate::{
    PlacementRule, Span,
    limits::{REQUEST_TIMEOUT_MS_DEFAULT, WALL_TIME_MS_MAX},
};

/// A trigger, as the manifest has it.
#[derive(Debug, Clone)]
pub struct TriggerManifest {
    /// Its name.
    pub name: Spanned<Name>,
    /// Its backend.
    pub backend: Option<Spanned<String>>,
    /// Where it listens.
    pub address: Option<Spanned<String>>,
    /// Who gets what.
    pub routes: Vec<RouteManifest>,
    /// Time for one request.
    pub request_timeout_ms: u64,
    /// Where it runs.
    pub placement: PlacementRule,
    /// The backend's other settings.
    pub config: SettingsManifest,
}

/// A route, as the manifest has it.
#[derive(Debug, Clone)]
pub struct RouteManifest {
    /// Where it stands.
    pub span: Span,
    /// A host, or `*`, which is also the default.
    pub host: Spanned<String>,
    /// A prefix of paths; by default `/`.
    pub path: Spanned<String>,
    /// Who gets the requests.
    pub component: Option<Spanned<String>>,
}

impl TriggerManifest {
    pub(super) fn read(name: Spanned<Name>, mut section: Section<'_, '_>) -> Self {
        let trigger = Self {
            name,
            backend: section.required_string("backend", "\"http-server\""),
            address: section.required_string("address", "\"127.0.0.1:8080\""),
            routes: section
                .sections("routes", "a route")
                .into_iter()
                .map(RouteManifest::read)
                .collect(),
            request_timeout_ms: section
                .count("request_timeout_ms", WALL_TIME_MS_MAX)
                .unwrap_or(REQUEST_TIMEOUT_MS_DEFAULT),
            placement: PlacementRule::read(&mut section),
            config: SettingsManifest::read(&mut section),
        };
        section.finish();
        trigger
    }
}

impl RouteManifest {
    fn read(mut section: Section<'_, '_>) -> Self {
        let span = section.span.clone();
        let or = |value: Option<Spanned<String>>, default: &str| {
            value.unwrap_or_else(|| Spanned::new(span.clone(), default.to_owned()))
        };
        let route = Self {
            host: or(section.string("host"), "*"),
            path: or(section.string("path"), "/"),
            component: section.required_string("component", "\"my-component\""),
            span: span.clone(),
        };
        section.finish();
        route
    }
}
