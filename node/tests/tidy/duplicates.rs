//! What two crates need is a noun with a file of its own, not a block that is copied.

use std::collections::{HashMap, HashSet};

use super::tree::{File, Tree, Violation};

/// How many equal lines make a copy; lines without a letter, imports and comments do not count.
const BLOCK_LINES: usize = 12;

pub fn across_crates(tree: &Tree) -> Vec<Violation> {
    let packages = tree.packages();
    let owner = |file: &File| {
        let owners = packages.iter().map(|package| package.folder);
        // The deepest folder: `node/xtask` lies in `node`.
        let inside = owners.filter(|folder| file.path.starts_with(&format!("{folder}/")));
        inside.max_by_key(|folder| folder.len())
    };
    let sources: Vec<Source<'_>> = tree
        .rust_files()
        .filter_map(|file| {
            let (numbers, lines) = lines_that_count(&file.text).unzip();
            Some(Source {
                owner: owner(file)?,
                file,
                numbers,
                lines,
            })
        })
        .collect();

    let mut first_seen: HashMap<&[&str], (&Source<'_>, usize)> = HashMap::new();
    let mut reported = HashSet::new();
    let mut violations = Vec::new();
    for source in &sources {
        for (index, block) in source.lines.windows(BLOCK_LINES).enumerate() {
            let (other, at) = *first_seen.entry(block).or_insert((source, index));
            // One report for two files: a long copy has many blocks.
            if other.owner != source.owner && reported.insert((&other.file.path, &source.file.path))
            {
                let message = format!(
                    "the same {BLOCK_LINES} lines as at {}:{}",
                    other.file.path, other.numbers[at]
                );
                violations.push(source.file.violation(source.numbers[index], message));
            }
        }
    }
    violations
}

struct Source<'a> {
    owner: &'a str,
    file: &'a File,
    numbers: Vec<usize>,
    lines: Vec<&'a str>,
}

fn lines_that_count(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text
        .lines()
        .map(str::trim)
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| {
        let is_import = line.starts_with("use ") || line.starts_with("pub use ");
        let is_comment = line.starts_with("//");
        !is_import && !is_comment && line.chars().any(char::is_alphanumeric)
    })
}

mod tests {
    use super::*;

    fn block(lines: usize) -> String {
        (0..lines)
            .map(|line| format!("    call({line});\n    }}\n"))
            .collect()
    }

    fn check(one: &str, two: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("a/Cargo.toml", "package.name = \"a\""),
            ("a/b/Cargo.toml", "package.name = \"b\""),
            ("a/src/one.rs", one),
            ("a/b/src/two.rs", two),
        ]);
        across_crates(&tree)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_copy_in_another_crate_is_found_once() {
        let copy = format!("fn other() {{\n{}", block(20));
        let expected = "a/b/src/two.rs:2: the same 12 lines as at a/src/one.rs:1";
        assert_eq!(check(&block(20), &copy), [expected]);
    }

    #[test]
    fn a_shorter_one_and_one_in_the_same_crate_are_not() {
        assert_eq!(check(&block(11), &block(11)), [""; 0]);
        assert_eq!(check(&format!("{}{}", block(12), block(12)), ""), [""; 0]);
    }

    #[test]
    fn imports_comments_and_braces_do_not_count() {
        let lines = "use a::b;\n// the same words\n}\n".repeat(20);
        assert_eq!(check(&lines, &lines), [""; 0]);
    }
}
