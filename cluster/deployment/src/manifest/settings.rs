//! What only a backend can read: a provider's `config`, and the selections of its targets.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wrt_protocol::Name;

use super::section::{Findings, Section};

use crate::{
    Config, ConfigValue, ProblemKind, Reference, SecretReference, Span, VariableReference,
};

/// A backend's settings or selection, as the manifest has them.
#[derive(Debug, Clone, Default)]
pub struct SettingsManifest {
    /// The settings.
    pub config: Config,
    /// Where the top-level ones stand.
    pub(crate) spans: BTreeMap<String, Span>,
    /// Whether one of them could not be read, which is told by itself.
    pub(crate) is_partial: bool,
}

impl SettingsManifest {
    /// The table under `field`, all of it.
    pub(super) fn of_field(section: &mut Section<'_, '_>, field: &'static str) -> Self {
        let is_there = section.has(field);
        match section.section(field) {
            Some(table) => Self::read(&table, None),
            None => Self {
                is_partial: is_there,
                ..Self::default()
            },
        }
    }

    /// The table itself, without the field `known`.
    pub(super) fn of_rest(section: &Section<'_, '_>, known: &str) -> Self {
        Self::read(section, Some(known))
    }

    fn read(table: &Section<'_, '_>, without: Option<&str>) -> Self {
        let mut settings = Self::default();
        let entries = table.entries();
        for (key, value) in entries.filter(|(key, _)| Some(key.get_ref().as_ref()) != without) {
            let field = key.get_ref().to_string();
            settings.spans.insert(field.clone(), value.span());
            let found = table.findings().count();
            if let Some(value) = read_value(&field, value, table.findings()) {
                settings.config.0.insert(field, value);
            }
            settings.is_partial |= table.findings().count() > found;
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
            if table.contains_key("vault") && table.contains_key("secret") {
                return read_secret(field, value.span(), table, findings);
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
            let env = text.to_string();
            let reference = Reference::Variable(VariableReference { env });
            Some(ConfigValue::Reference(reference))
        }
        _ => {
            let message = format!("`{field}` refers to no environment variable");
            let help = "write a reference as `{ env = \"REDIS_URL\" }`";
            findings.add(ProblemKind::BadConfig, span, message, help);
            None
        }
    }
}

/// A table with `vault` and `secret` in it.
fn read_secret(
    field: &str,
    span: Span,
    table: &DeTable<'_>,
    findings: &Findings,
) -> Option<ConfigValue> {
    let known = ["vault", "locker", "secret"];
    let text = |key: &str| match table.get(key)?.get_ref() {
        DeValue::String(text) if !text.is_empty() => Some(text.to_string()),
        _ => None,
    };
    let is_complete = |key: &Spanned<_>| known.contains(&AsRef::<str>::as_ref(key.get_ref()));
    let reference = || {
        let vault = Name::new(&text("vault")?).ok()?;
        let secret = text("secret")?;
        let locker = match table.contains_key("locker") {
            true => Some(text("locker")?),
            false => None,
        };
        table.keys().all(is_complete).then_some(SecretReference {
            vault,
            locker,
            secret,
        })
    };
    let reference = reference();
    if reference.is_none() {
        let message = format!("`{field}` refers to no secret");
        let help =
            "write it as `{ vault = \"my-vault\", secret = \"name\" }`, with `locker` or without";
        findings.add(ProblemKind::BadConfig, span, message, help);
    }
    Some(ConfigValue::Reference(Reference::Secret(reference?)))
}
