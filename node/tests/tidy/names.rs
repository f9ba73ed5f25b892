//! A file is named after a noun of its own; `foo.rs` beside `foo/`, never `foo/mod.rs`.

use super::tree::{File, Tree, Violation};

/// Names that say nothing, so that everything ends up there.
const BANNED: [&str; 8] = [
    "utils", "util", "helpers", "helper", "common", "misc", "types", "mod",
];

pub fn banned(tree: &Tree) -> Vec<Violation> {
    let check = |file: &File| {
        let parts = file.path.trim_end_matches(".rs").split('/');
        let part = parts.into_iter().find(|part| BANNED.contains(part))?;
        Some(file.violation(
            0,
            format!("`{part}` says nothing: name the noun that it serves"),
        ))
    };
    tree.rust_files().filter_map(check).collect()
}

/// How numbers are not spelled: `wrt-deployment` has the rule.
const MISSPELLED: [&str; 10] = [
    "_max_ms",
    "_max_bytes",
    "_max_millis",
    "_millis_max",
    "_max_secs",
    "_secs_max",
    "_timeout_ms_max",
    "_timeout_millis",
    "_timeout_secs",
    "_ms_timeout",
];

pub fn misspelled_numbers(tree: &Tree) -> Vec<Violation> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut violations = Vec::new();
    // The list itself is here.
    for file in tree
        .rust_files()
        .filter(|file| !file.path.ends_with("tidy/names.rs"))
    {
        for (at, line) in file.text.lines().enumerate() {
            let mut words = line.split(|c| !is_part(c));
            let word = words.find(|word| {
                let lower = word.to_ascii_lowercase();
                MISSPELLED.iter().any(|end| lower.ends_with(end))
            });
            if let Some(word) = word {
                let message = format!(
                    "`{word}`: a bound is spelled `_ms_max` or `_bytes_max`, a wait `_timeout_ms`"
                );
                violations.push(file.violation(at + 1, message));
            }
        }
    }
    violations
}

mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_spelled_otherwise_are_found() {
        for (text, expected) in [
            ("pub wall_time_ms_max: u64,", 0),
            ("pub connect_timeout_ms: u64,", 0),
            ("pub memory_max_bytes: u64,", 1),
            ("const WAIT_MAX_MILLIS: u64 = 1;", 1),
            ("x.idle_timeout_millis = y.idle_timeout_ms;", 1),
        ] {
            let tree = Tree::of(&[("a/src/x.rs", text)]);
            assert_eq!(misspelled_numbers(&tree).len(), expected, "{text}");
        }
    }

    #[test]
    fn files_and_folders_with_empty_names_are_found() {
        for (path, expected) in [
            ("a/src/utils.rs", 1),
            ("a/src/helpers/x.rs", 1),
            ("a/src/x/mod.rs", 1),
            ("a/src/common_sense.rs", 0),
            ("wit/deps/types.wit", 0),
        ] {
            assert_eq!(banned(&Tree::of(&[(path, "")])).len(), expected, "{path}");
        }
    }
}
