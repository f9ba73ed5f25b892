//! Every interface and every backend is registered.

use super::tree::{File, Tree, Violation, matches};

const TABLE: &str = "node/src/registry.rs";
const FOLDERS: [&str; 2] = ["providers/interfaces/*", "providers/backends/*"];

pub fn providers(tree: &Tree) -> Vec<Violation> {
    // The table comes with the node; from then on it has to be complete.
    let Some(table) = tree.find(TABLE) else {
        return Vec::new();
    };
    let packages = tree.packages().into_iter();
    let providers =
        packages.filter(|package| FOLDERS.iter().any(|folder| matches(folder, package.folder)));
    let missing = providers.filter(|package| !names_crate(table, &package.name.replace('-', "_")));
    missing
        .map(|package| table.violation(0, format!("`{}` is missing", package.name)))
        .collect()
}

/// Whether the crate's name occurs as a whole word: `wrt_http` is not `wrt_http_server`.
fn names_crate(table: &File, name: &str) -> bool {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    table
        .text
        .split(|c| !is_of_word(c))
        .any(|word| word == name)
}

mod tests {
    use super::*;

    fn check(table: Option<&str>, expected: &[&str]) {
        let mut files = vec![
            (
                "providers/interfaces/http/Cargo.toml",
                "package.name = \"wrt-http\"",
            ),
            (
                "providers/backends/http-server/Cargo.toml",
                "package.name = \"wrt-http-server\"",
            ),
            ("actors/host/Cargo.toml", "package.name = \"wrt-host\""),
        ];
        files.extend(table.map(|text| (TABLE, text)));
        let found = providers(&Tree::of(&files));
        let messages: Vec<_> = found
            .iter()
            .map(|violation| violation.message.as_str())
            .collect();
        assert_eq!(messages, expected, "{table:?}");
    }

    #[test]
    fn a_provider_without_an_entry_is_found() {
        check(Some("wrt_http::host(), wrt_http_server::open()"), &[]);
        check(Some("wrt_http_server::open()"), &["`wrt-http` is missing"]);
        check(
            Some(""),
            &["`wrt-http` is missing", "`wrt-http-server` is missing"],
        );
    }

    #[test]
    fn the_rule_waits_for_the_table() {
        check(None, &[]);
    }
}
