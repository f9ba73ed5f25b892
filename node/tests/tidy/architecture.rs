//! The table of the architecture page and the crates agree.

use super::tree::{Tree, Violation, matches};

const PAGE: &str = "cluster/ARCHITECTURE.md";

pub fn code_map(tree: &Tree) -> Vec<Violation> {
    let Some(page) = tree.find(PAGE) else {
        return vec![Violation {
            path: PAGE.into(),
            line: 0,
            message: "is missing".into(),
        }];
    };
    let packages = tree.packages();
    let mut violations = Vec::new();
    let mut listed = vec![false; packages.len()];
    for (index, line) in page.text.lines().enumerate() {
        let Some((pattern, crates)) = row(line) else {
            continue;
        };
        let mut is_used = false;
        for (package, listed) in packages.iter().zip(&mut listed) {
            if !matches(pattern, package.folder) {
                continue;
            }
            (is_used, *listed) = (true, true);
            // A row for many folders names some crates; adding one must not take another edit.
            if !pattern.ends_with('*') && !crates.contains(&format!("`{}`", package.name)) {
                let message = format!("{pattern} holds the crate `{}`", package.name);
                violations.push(page.violation(index + 1, message));
            }
        }
        if !is_used {
            violations.push(page.violation(index + 1, format!("{pattern} holds no crate")));
        }
    }
    let missing = packages.iter().zip(listed).filter(|(_, listed)| !listed);
    violations.extend(missing.map(|(package, _)| package.violation(format!("not in {PAGE}"))));
    violations
}

/// The folder and the crates of a row of the table: ``| `folder` | `crate` | ... |``.
fn row(line: &str) -> Option<(&str, &str)> {
    let (folder, rest) = line.strip_prefix("| `")?.split_once("` |")?;
    Some((folder, rest.split('|').next()?))
}

mod tests {
    use super::*;

    fn check(page: &str, expected: &[&str]) {
        let tree = Tree::of(&[
            (PAGE, page),
            ("a/Cargo.toml", "package.name = \"wrt-a\""),
            ("b/one/Cargo.toml", "package.name = \"wrt-one\""),
        ]);
        let lines: Vec<_> = code_map(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(lines, expected, "{page}");
    }

    #[test]
    fn rows_and_crates_must_agree() {
        check(
            "| folder | crate |\n|---|---|\n| `a` | `wrt-a` | x |\n| `b/*` | some | x |",
            &[],
        );
        check(
            "| `a` | `wrt-a` | x |",
            &["b/one/Cargo.toml: not in cluster/ARCHITECTURE.md"],
        );
        check(
            "| `a` | `wrt-b` | x |\n| `b/*` | x | x |\n| `c` | `wrt-c` | x |",
            &[
                "cluster/ARCHITECTURE.md:1: a holds the crate `wrt-a`",
                "cluster/ARCHITECTURE.md:3: c holds no crate",
            ],
        );
    }

    #[test]
    fn a_page_that_is_missing_is_found() {
        assert_eq!(code_map(&Tree::of(&[])).len(), 1);
    }
}
