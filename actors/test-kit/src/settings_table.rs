//! A backend's settings as its README has them.

use std::fmt::Write as _;

use confique::{
    Config,
    meta::{Expr, FieldKind, LeafKind},
};

/// A table in Markdown with a row for each setting, from its own documentation.
///
/// # Panics
/// When a setting is of a kind that no backend has had yet.
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
                default: Some(Expr::Map([])),
            } => String::new(),
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

/// Holds a README to the settings as they are.
///
/// # Panics
/// With the table that is not in it.
pub fn check_settings<C: Config>(readme: &str) {
    let table = settings_table::<C>();
    assert!(
        readme.contains(&table),
        "write this into README.md:\n\n{table}"
    );
}
