//! The settings of a backend as its README has them.

use std::fmt::Write as _;

use confique::{
    Config,
    meta::{Expr, FieldKind, LeafKind},
};

/// A table of a backend's settings for its README: a row for each, from its own documentation.
///
/// # Panics
/// For settings within settings, and for defaults that are neither a text, a number nor a truth value.
#[must_use]
pub fn settings_table<C: Config>() -> String {
    let mut table = "| setting | variable | by default | |\n|---|---|---|---|\n".to_owned();
    for field in C::META.fields {
        let FieldKind::Leaf { env, kind } = field.kind else {
            panic!("{} is no single value", field.name);
        };
        let variable = env.map(|env| format!("`{env}`")).unwrap_or_default();
        let default = match kind {
            LeafKind::Required { default: None } => "must be given".to_owned(),
            LeafKind::Optional => String::new(),
            LeafKind::Required {
                default: Some(Expr::Str(text)),
            } => format!("`{text}`"),
            LeafKind::Required {
                default: Some(Expr::Bool(value)),
            } => format!("`{value}`"),
            LeafKind::Required {
                default: Some(Expr::Integer(number)),
            } => format!("`{number}`"),
            LeafKind::Required {
                default: Some(other),
            } => panic!("{}: {other:?}", field.name),
        };
        let lines: Vec<_> = field.doc.iter().map(|line| line.trim()).collect();
        let doc = lines.join(" ");
        writeln!(
            table,
            "| `{}` | {variable} | {default} | {doc} |",
            field.name
        )
        .expect("a string takes any text");
    }
    table
}
