//! `[provider.<name>]`

use toml::Spanned;
use wrt_protocol::{Name, ProviderLimits};

use super::{
    limits, rule::read_apart_from, section::Section, settings::SettingsManifest,
    target::TargetManifest,
};
use crate::{PlacementRule, ProblemKind, Span};

/// A provider, as the manifest has it.
#[derive(Debug, Clone)]
pub struct ProviderManifest {
    /// Its name.
    pub name: Spanned<Name>,
    /// Its backend.
    pub backend: Option<Spanned<String>>,
    /// The backend's settings.
    pub config: SettingsManifest,
    /// Whom it calls.
    pub calls: Vec<TargetManifest>,
    /// Where `calls` stands, if it is there.
    pub(crate) calls_span: Option<Span>,
    /// Whether one of `calls` is no table, which is told by itself.
    pub(crate) calls_are_partial: bool,
    /// Where it runs, without `apart_from`.
    pub placement: PlacementRule,
    /// The actors that it is kept apart from.
    pub apart_from: Vec<Spanned<String>>,
    /// What it may take in hand.
    pub limits: ProviderLimits,
}

impl ProviderManifest {
    pub(super) fn read(name: Spanned<Name>, mut section: Section<'_, '_>) -> Self {
        let backend = section.required_string("backend", "\"memory\"");
        let config = SettingsManifest::of_field(&mut section, "config");
        let found = section.findings().count();
        let targets = section.sections("calls", "a target");
        let calls_are_partial = section.findings().count() > found;
        let placement = PlacementRule::read(&mut section);
        if placement.exclusive && section.has("calls") {
            let message = format!("{} calls components, and is `exclusive`", section.title);
            let help = "make the component exclusive that it calls: what this one takes from a broker in order, or by \
                        the clock, one replica does at a time already";
            let span = section
                .key_span("exclusive")
                .unwrap_or(section.span.clone());
            let findings = section.findings();
            findings.add(ProblemKind::Conflict, span, message, help);
        }
        let provider = Self {
            name,
            backend,
            config,
            calls: targets.into_iter().map(TargetManifest::read).collect(),
            calls_span: section.key_span("calls"),
            calls_are_partial,
            placement,
            apart_from: read_apart_from(&mut section),
            limits: limits::of_provider(&mut section),
        };
        section.finish();
        provider
    }
}
