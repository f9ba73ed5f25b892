//! `[trigger.<name>]`, as manifests had it before triggers became providers that call components:
//! refused, with what to write instead.

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::section::Section;
use crate::ProblemKind;

/// The fields of a provider that a trigger had too, in the order in which they are written.
const SAME: [&str; 4] = ["backend", "nodes", "labels", "replicas"];

/// Tells of each trigger how it is written now.
pub(super) fn refuse(root: &mut Section<'_, '_>) {
    let Some((key, value)) = root.retired("trigger") else {
        return;
    };
    let findings = root.findings();
    let DeValue::Table(triggers) = value.get_ref() else {
        let help = "declare a provider that calls components: `[provider.<name>]`";
        findings.add(ProblemKind::UnknownField, key.span(), NO_TRIGGERS, help);
        return;
    };
    for (name, trigger) in triggers {
        let DeValue::Table(trigger) = trigger.get_ref() else {
            let help = format!("declare it as `[provider.{}]`", written_key(name.get_ref()));
            findings.add(ProblemKind::UnknownField, name.span(), NO_TRIGGERS, help);
            continue;
        };
        let help = format!(
            "a trigger is a provider that calls components: write it as\n{}",
            as_provider(name.get_ref(), trigger)
        );
        findings.add(ProblemKind::UnknownField, name.span(), NO_TRIGGERS, help);
    }
}

const NO_TRIGGERS: &str = "the manifest has no field `trigger`";

/// What the trigger said, in a provider's words: its own settings are its backend's `config` now, and
/// its routes are what it calls.
fn as_provider(name: &str, trigger: &DeTable<'_>) -> String {
    let mut lines = vec![format!("[provider.{}]", written_key(name))];
    for field in SAME {
        let value = trigger.get(field);
        lines.extend(value.map(|value| format!("{field} = {}", written(value))));
    }
    let is_moved = |field: &str| !SAME.contains(&field) && !["config", "routes"].contains(&field);
    let own = trigger
        .iter()
        .filter(|(field, _)| is_moved(field.get_ref()));
    let mut config: Vec<String> = own.map(|(field, value)| entry(field, value)).collect();
    // Anything else under `config` is wrong in another way, which is told once it is a provider's.
    if let Some(DeValue::Table(table)) = trigger.get("config").map(Spanned::get_ref) {
        config.extend(entries(table));
    }
    if !config.is_empty() {
        lines.push(format!("config = {{ {} }}", config.join(", ")));
    }
    if let Some(DeValue::Array(routes)) = trigger.get("routes").map(Spanned::get_ref) {
        let routes: Vec<String> = routes.iter().map(written).collect();
        lines.push(format!("calls = [{}]", routes.join(", ")));
    }
    lines.join("\n")
}

fn written(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()).to_string(),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(array) => {
            let items: Vec<String> = array.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            // Whom it is about comes first.
            let mut written: Vec<String> = entries(table).collect();
            written.sort_by_key(|entry| !entry.starts_with("component ="));
            format!("{{ {} }}", written.join(", "))
        }
    }
}

fn entries<'t>(table: &'t DeTable<'_>) -> impl Iterator<Item = String> + 't {
    table.iter().map(|(key, value)| entry(key, value))
}

fn entry(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> String {
    format!("{} = {}", written_key(key.get_ref()), written(value))
}

fn written_key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        Value::String(key.to_owned()).to_string()
    }
}
