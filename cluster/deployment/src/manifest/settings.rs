//! `config = { ... }`, of a provider or a trigger.

use std::collections::BTreeMap;

use toml::{Spanned, de::DeValue};

use super::section::{Findings, Section};
use crate::{Config, ConfigValue, ProblemKind, Span, config::Reference};

/// A backend's settings, as the manifest has them.
#[derive(Debug, Clone, Default)]
pub struct SettingsManifest {
    /// The settings.
    pub config: Config,
    /// Where the top-level ones stand.
    pub(crate) spans: BTreeMap<String, Span>,
}

impl SettingsManifest {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let mut settings = Self::default();
        let Some(table) = section.section("config") else {
            return settings;
        };
        let findings = section.findings();
        for (key, value) in table.entries() {
            let field = key.get_ref().to_string();
            settings.spans.insert(field.clone(), value.span());
            if let Some(value) = read_value(&field, value, findings) {
                settings.config.0.insert(field, value);
            }
        }
        settings
    }
}

fn read_value(
    field: &str,
    value: &Spanned<DeValue<'_>>,
    findings: &Findings,
) -> Option<ConfigValue> {
    Some(match value.get_ref() {
        DeValue::Boolean(value) => ConfigValue::Boolean(*value),
        DeValue::String(text) => ConfigValue::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => ConfigValue::Integer(integer),
            Err(_out_of_range) => {
                let message = format!("`{field}` does not fit in 64 bits");
                let help = "use a smaller number";
                findings.add(ProblemKind::OutOfRange, value.span(), message, help);
                return None;
            }
        },
        // JSON, in which apps are stored, has no infinity and no NaN.
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(float) if float.is_finite() => ConfigValue::Float(float),
            _ => {
                let message = format!("`{field}` is not a finite number");
                findings.add(
                    ProblemKind::OutOfRange,
                    value.span(),
                    message,
                    "use a finite one",
                );
                return None;
            }
        },
        DeValue::Datetime(_) => {
            let message = format!("`{field}` is a date");
            findings.add(
                ProblemKind::WrongType,
                value.span(),
                message,
                "write it as a text",
            );
            return None;
        }
        DeValue::Array(array) => ConfigValue::Array(
            array
                .iter()
                .filter_map(|item| read_value(field, item, findings))
                .collect(),
        ),
        DeValue::Table(table) => {
            let only = table.iter().next().filter(|_| table.len() == 1);
            if let Some((key, inner)) = only.filter(|(key, _)| key.get_ref() == "env") {
                return read_reference(field, key.span(), inner, findings);
            }
            let mut inner = Config::default();
            for (key, value) in table {
                if let Some(value) = read_value(key.get_ref(), value, findings) {
                    inner.0.insert(key.get_ref().to_string(), value);
                }
            }
            ConfigValue::Table(inner)
        }
    })
}

fn read_reference(
    field: &str,
    span: Span,
    variable: &Spanned<DeValue<'_>>,
    findings: &Findings,
) -> Option<ConfigValue> {
    match variable.get_ref() {
        DeValue::String(text) if !text.is_empty() && !text.contains(['=', '\0']) => {
            Some(ConfigValue::Reference(Reference {
                env: text.to_string(),
            }))
        }
        _ => {
            let message = format!("`{field}` refers to no environment variable");
            let help = "write a reference as `{ env = \"REDIS_URL\" }`";
            findings.add(ProblemKind::BadConfig, span, message, help);
            None
        }
    }
}
