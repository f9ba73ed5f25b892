//! The README has the settings as the provider has them.

use std::fmt::Write as _;

use confique::{
    Config as _,
    meta::{Expr, FieldKind, LeafKind},
};
use wrt_postgres::PostgresConfig;

const README: &str = include_str!("../../README.md");

/// A row for each setting, from its own documentation.
fn table() -> String {
    let mut table = "| setting | variable | by default | |\n|---|---|---|---|\n".to_owned();
    for field in PostgresConfig::META.fields {
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

#[test]
fn the_readme_has_the_settings_as_they_are() {
    let table = table();
    assert!(
        README.contains(&table),
        "write this into README.md:\n\n{table}"
    );
}
