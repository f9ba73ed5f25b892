//! The sources that the rules look at.

use std::{fmt, fs, path::Path};

use walkdir::{DirEntry, WalkDir};

/// What is read: Rust sources, manifests, the architecture page, the reference, and services for compose.
const ENDINGS: [&str; 5] = [
    ".rs",
    "Cargo.toml",
    "ARCHITECTURE.md",
    "REFERENCE.md",
    "compose.yaml",
];

/// The sources of the repository, or of a test.
#[derive(Debug)]
pub struct Tree {
    pub files: Vec<File>,
}

/// One source.
#[derive(Debug)]
pub struct File {
    /// From the root, with slashes.
    pub path: String,
    pub text: String,
}

/// A rule that does not hold somewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    pub path: String,
    /// 0 where the whole file is meant.
    pub line: usize,
    pub message: String,
}

/// A crate of the workspace.
#[derive(Debug)]
pub struct Package<'a> {
    /// From the root, without a slash at the end.
    pub folder: &'a str,
    pub name: String,
    pub manifest: toml::Table,
}

impl Tree {
    /// Reads the repository that this test belongs to.
    pub fn of_repository() -> Self {
        // At run time, not `env!`: a test binary may be started in another checkout.
        let node = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
        let root = Path::new(&node)
            .parent()
            .expect("node lies in the repository");
        let files: Vec<_> = WalkDir::new(root)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(is_source)
            .map(|entry| entry.expect("the repository is readable"))
            .filter(|entry| entry.file_type().is_file())
            .filter_map(|entry| {
                let path = entry.path().strip_prefix(root).expect("below the root");
                let path = path
                    .to_str()
                    .expect("sources have plain names")
                    .replace('\\', "/");
                ENDINGS
                    .iter()
                    .any(|ending| path.ends_with(ending))
                    .then(|| File {
                        text: fs::read_to_string(entry.path()).expect("sources are UTF-8"),
                        path,
                    })
            })
            .collect();
        Self { files }
    }

    /// A tree for the test of a rule.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).into(),
            text: (*text).into(),
        };
        Self {
            files: files.iter().map(file).collect(),
        }
    }

    pub fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The crates of the workspace; the examples are a workspace of their own.
    pub fn packages(&self) -> Vec<Package<'_>> {
        let manifests = self.files.iter().filter_map(|file| {
            let folder = file.path.strip_suffix("/Cargo.toml")?;
            (!folder.starts_with("examples/") && folder != "examples").then_some((folder, file))
        });
        manifests
            .filter_map(|(folder, file)| {
                let manifest: toml::Table = file.text.parse().expect("manifests are valid");
                let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
                Some(Package {
                    folder,
                    name,
                    manifest,
                })
            })
            .collect()
    }
}

impl File {
    pub fn violation(&self, line: usize, message: impl Into<String>) -> Violation {
        Violation {
            path: self.path.clone(),
            line,
            message: message.into(),
        }
    }
}

impl Package<'_> {
    pub fn violation(&self, message: impl Into<String>) -> Violation {
        let path = format!("{}/Cargo.toml", self.folder);
        Violation {
            path,
            line: 0,
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.message),
            line => write!(formatter, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Whether a folder matches a pattern; `a/*` is every folder directly in `a`.
pub fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(parent) => folder
            .rsplit_once('/')
            .is_some_and(|(above, _)| above == parent),
        None => pattern == folder,
    }
}

fn is_source(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() == 0 || !(name.starts_with('.') || entry.file_type().is_dir() && name == "target")
}

mod tests {
    use super::*;

    /// A walk that finds nothing would make every rule hold.
    #[test]
    fn the_repository_is_read_and_build_results_are_not() {
        let tree = Tree::of_repository();
        for path in [
            "node/tests/tidy/tree.rs",
            "cluster/ARCHITECTURE.md",
            "node/Cargo.toml",
            "examples/compose.yaml",
        ] {
            assert!(tree.find(path).is_some(), "{path}");
        }
        assert!(
            tree.packages()
                .iter()
                .any(|package| package.name == "wrt-protocol")
        );
        assert!(
            !tree
                .files
                .iter()
                .any(|file| file.path.split('/').any(|part| part == "target"))
        );
    }

    #[test]
    fn a_pattern_is_a_folder_or_all_folders_directly_in_one() {
        assert!(matches("node", "node"));
        assert!(!matches("node", "node/xtask"));
        assert!(matches("cluster/*", "cluster/protocol"));
        assert!(!matches("cluster/*", "cluster"));
        assert!(!matches("providers/*", "providers/backends/redis"));
    }
}
