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

mod tests {
    use super::*;

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
