//! Settings as their reference has them.

use confique::meta::{Expr, Field, FieldKind, LeafKind};
use serde::Serialize;

/// A setting of a backend, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name in a manifest's `config`.
    pub name: &'static str,
    /// The variable that fills it where the environment counts.
    pub variable: Option<&'static str>,
    /// Whether it must be given: by the manifest, or by the variable.
    pub required: bool,
    /// What it is when nobody says anything, as a manifest would write it; nothing where it then is not set.
    pub default: Option<String>,
    /// What it is for, with its unit and its limits. One line.
    pub description: String,
}

impl Setting {
    pub(super) fn of(field: &Field) -> Self {
        let (variable, required, default) = match &field.kind {
            FieldKind::Leaf { env, kind } => match kind {
                LeafKind::Required { default: None } => (*env, true, None),
                LeafKind::Required {
                    default: Some(default),
                } => (*env, false, Some(written(default))),
                LeafKind::Optional => (*env, false, None),
            },
            FieldKind::Nested { .. } => (None, false, None),
        };
        let lines: Vec<_> = field.doc.iter().map(|line| line.trim()).collect();
        Self {
            name: field.name,
            variable,
            required,
            default,
            // A link between Rust's items leads nowhere elsewhere.
            description: lines.join(" ").replace("[`", "`").replace("`]", "`"),
        }
    }
}

/// A value as a manifest writes it.
fn written(value: &Expr) -> String {
    match value {
        Expr::Str(text) => toml::Value::from(*text).to_string(),
        Expr::Bool(value) => value.to_string(),
        Expr::Integer(number) => number.to_string(),
        Expr::Float(number) => number.to_string(),
        Expr::Array(items) => {
            let items: Vec<_> = items.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        Expr::Map([]) => "{}".to_owned(),
        // No setting has one, and what the library adds is still better shown than hidden.
        other => format!("{other:?}"),
    }
}
