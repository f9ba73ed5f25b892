//! An entry of a provider's `calls`.

use toml::Spanned;

use super::{section::Section, settings::SettingsManifest};
use crate::Span;

/// A component that a provider calls, as the manifest has it.
#[derive(Debug, Clone)]
pub struct TargetManifest {
    /// Where it stands.
    pub span: Span,
    /// Who is called.
    pub component: Option<Spanned<String>>,
    /// Everything else in the entry: the backend's own, as it was written.
    pub selection: SettingsManifest,
}

impl TargetManifest {
    pub(super) fn read(mut section: Section<'_, '_>) -> Self {
        Self {
            span: section.span.clone(),
            component: section.required_string("component", "\"my-component\""),
            selection: SettingsManifest::of_rest(&section, "component"),
        }
    }
}
