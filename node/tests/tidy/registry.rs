//! Every interface and every backend of the workspace is a part of the standard programs.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Item, UseTree};

use super::tree::{Package, Tree, Violation, matches};

const TABLE: &str = "node/src/standard.rs";
const FOLDERS: [&str; 2] = ["providers/interfaces/*", "providers/backends/*"];

pub fn providers(tree: &Tree) -> Vec<Violation> {
    let Some(table) = tree.find(TABLE) else {
        return vec![Violation {
            path: TABLE.into(),
            line: 0,
            message: "is missing".into(),
        }];
    };
    let named = named_crates(&table.text);
    let packages = tree.packages();
    let is_named = |package: &Package<'_>| named.contains(&package.name.replace('-', "_"));
    // A backend may also be in a bundle that is named.
    let bundled: BTreeSet<&String> = packages
        .iter()
        .filter(|package| matches(FOLDERS[1], package.folder) && is_named(package))
        .filter_map(|bundle| bundle.manifest.get("dependencies")?.as_table())
        .flat_map(|dependencies| dependencies.keys())
        .collect();
    let providers = packages
        .iter()
        .filter(|package| FOLDERS.iter().any(|folder| matches(folder, package.folder)));
    let missing = providers
        .filter(|package| !is_named(package))
        .filter(|package| {
            !(matches(FOLDERS[1], package.folder) && bundled.contains(&package.name))
        });
    missing
        .map(|package| table.violation(0, format!("`{}` is missing", package.name)))
        .collect()
}

/// The crates of which something stands in `runtime!`: neither a comment nor an unused import counts.
fn named_crates(table: &str) -> BTreeSet<String> {
    let table = syn::parse_file(table).expect("the table is Rust");
    let (mut words, mut imports) = (BTreeSet::new(), Vec::new());
    for item in &table.items {
        match item {
            Item::Macro(item) => gather_words(item.mac.tokens.clone(), &mut words),
            Item::Use(item) => gather_imports(&item.tree, None, &mut imports),
            _ => {}
        }
    }
    let named = imports.into_iter().filter(|(_, name)| words.contains(name));
    named.map(|(of, _)| of).chain(words.clone()).collect()
}

fn gather_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => gather_words(group.stream(), words),
            TokenTree::Ident(word) => drop(words.insert(word.to_string())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Each imported name, with the crate that it is of.
fn gather_imports(tree: &UseTree, of: Option<&str>, imports: &mut Vec<(String, String)>) {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            gather_imports(&path.tree, Some(of.unwrap_or(&first)), imports);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                gather_imports(tree, of, imports);
            }
        }
        UseTree::Name(name) => {
            imports.extend(of.map(|of| (of.to_owned(), name.ident.to_string())));
        }
        UseTree::Rename(name) => {
            imports.extend(of.map(|of| (of.to_owned(), name.rename.to_string())));
        }
        UseTree::Glob(_) => {}
    }
}

mod tests {
    use super::*;

    fn check(table: &str, expected: &[&str]) {
        let files = [
            (
                "providers/interfaces/http/Cargo.toml",
                "package.name = \"wrt-http\"",
            ),
            (
                "providers/backends/hyper/Cargo.toml",
                "package.name = \"wrt-hyper\"",
            ),
            (
                "providers/backends/both/Cargo.toml",
                "package.name = \"wrt-both\"\ndependencies.wrt-hyper = \"1\"\n\
                 dependencies.wrt-http = \"1\"",
            ),
            ("actors/host/Cargo.toml", "package.name = \"wrt-host\""),
            (TABLE, table),
        ];
        let found = providers(&Tree::of(&files));
        let messages: Vec<_> = found.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, expected, "{table}");
    }

    #[test]
    fn a_provider_that_is_no_part_is_found() {
        let both = "use wrt_both::Both; wrt_node::runtime!({ wrt_http::WasiHttp: Both });";
        check(both, &[]);
        check(
            "use wrt_both::Both; use wrt_http::{WasiHttp}; wrt_node::runtime!({ WasiHttp: _ });",
            &["`wrt-hyper` is missing", "`wrt-both` is missing"],
        );
        check(
            "//! wrt_http\nuse wrt_both::Both; use wrt_http::WasiHttp; x::runtime!({ A: Both });",
            &["`wrt-http` is missing"],
        );
    }

    #[test]
    fn a_table_that_is_missing_is_found() {
        assert_eq!(providers(&Tree::of(&[])).len(), 1);
    }
}
