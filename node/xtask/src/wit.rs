//! `cargo xtask wit`: the pins of the packages under `wit/deps`.
//!
//! A package is published elsewhere and written here, so nothing but a pin says which version it is and
//! that nobody has changed it since.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{command::Command, repository::Repository};

/// The command.
pub const COMMAND: Command = Command {
    name: "wit",
    about: "Write the hashes of the packages of wit/deps into wit/deps.toml",
    arguments: |parser| {
        let check = Arg::new("check").long("check").action(ArgAction::SetTrue);
        parser.arg(check.help("Change nothing, and fail if something would be"))
    },
    run: |repository: &Repository, matches: &ArgMatches| {
        let root = repository.path("wit");
        if matches.get_flag("check") {
            return check(&root);
        }
        fs::write(pins_file(&root), render(&update(&root)?))?;
        check(&root)
    },
};

const HEADER: &str = "\
# The packages under wit/deps: one table a folder. `cargo xtask wit` writes the hashes and adds tables
# for new folders; `source` (a public repository) and `at` (its tag or commit, in this form) are written
# by hand. The hash is the SHA-256 of what `sha256sum *.wit` prints in the folder.
";

/// Folder to pin.
type Pins = BTreeMap<String, Pin>;

/// Where a package comes from, and what it is here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    package: String,
    version: String,
    source: String,
    at: String,
    sha256: String,
}

fn pins_file(root: &Path) -> PathBuf {
    root.join("deps.toml")
}

fn read_pins(root: &Path) -> anyhow::Result<Pins> {
    let path = pins_file(root);
    if !path.exists() {
        return Ok(Pins::new());
    }
    let text = fs::read_to_string(&path)?;
    toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}

/// The pins as they should be: those that are there, with today's hashes.
fn update(root: &Path) -> anyhow::Result<Pins> {
    let known = read_pins(root)?;
    let mut pins = Pins::new();
    for folder in folders(root)? {
        let found = look(root, &folder)?;
        let old = known.get(&folder).cloned().unwrap_or_default();
        let pin = Pin {
            source: old.source,
            at: old.at,
            ..found
        };
        pins.insert(folder, pin);
    }
    Ok(pins)
}

/// Fails unless folders and pins are the same, and each pin says where its package is from.
fn check(root: &Path) -> anyhow::Result<()> {
    let (pins, right) = (read_pins(root)?, update(root)?);
    let mut problems = String::new();
    for folder in pins.keys().chain(right.keys()) {
        let problem = match (pins.get(folder), right.get(folder)) {
            (Some(_), None) => "there is no such folder",
            (None, _) => "the folder is not in wit/deps.toml",
            (Some(pin), Some(found)) if pin != found => "the folder is not what its pin says",
            (Some(pin), _) if pin.source.is_empty() || pin.at.is_empty() => {
                "say where it is from: `source` and `at`"
            }
            (Some(pin), _) if !is_fixed(&pin.at) => {
                "`at` must begin with what does not move: `tag ...` or `commit ...`"
            }
            _ => continue,
        };
        let line = format!("  {folder}: {problem}\n");
        if !problems.contains(&line) {
            problems.push_str(&line);
        }
    }
    ensure!(
        problems.is_empty(),
        "wit/deps and wit/deps.toml differ:\n{problems}if that is meant, run `cargo xtask wit`"
    );
    Ok(())
}

/// Whether this is a tag or a commit, by whatever it is followed.
fn is_fixed(at: &str) -> bool {
    let word = |start: &str| at.strip_prefix(start)?.split([' ', ',', ';']).next();
    let is_commit =
        |word: &str| (7..=40).contains(&word.len()) && word.chars().all(|c| c.is_ascii_hexdigit());
    word("tag ").is_some_and(|word| !word.is_empty()) || word("commit ").is_some_and(is_commit)
}

fn folders(root: &Path) -> anyhow::Result<Vec<String>> {
    let path = root.join("deps");
    let entries = fs::read_dir(&path).with_context(|| format!("no {}", path.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        ensure!(entry.file_type()?.is_dir(), "wit/deps/{name} is no folder");
        folders.push(name);
    }
    folders.sort_unstable();
    Ok(folders)
}

/// A package without what only its author knows.
fn look(root: &Path, folder: &str) -> anyhow::Result<Pin> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root.join("deps").join(folder))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ensure!(
            name.ends_with(".wit"),
            "wit/deps/{folder}: {name} is no WIT"
        );
        files.insert(name.into_owned(), fs::read(&path)?);
    }
    let mut listing = String::new();
    for (name, bytes) in &files {
        writeln!(listing, "{}  {name}", hash(bytes))?;
    }
    let texts = files.values().map(|bytes| String::from_utf8_lossy(bytes));
    let declared = texts
        .filter_map(|text| declaration(&text))
        .reduce(|one, other| if one == other { one } else { String::new() });
    let Some(declared) = declared.filter(|name| !name.is_empty()) else {
        bail!("wit/deps/{folder} does not hold one package");
    };
    // Some packages were published before they had a version.
    let (package, version) = declared.split_once('@').unwrap_or((&declared, ""));
    Ok(Pin {
        package: package.to_owned(),
        version: version.to_owned(),
        sha256: hash(listing.as_bytes()),
        ..Pin::default()
    })
}

/// What stands between `package` and the semicolon.
fn declaration(text: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        Some(
            line.strip_prefix("package ")?
                .trim_end_matches(';')
                .to_owned(),
        )
    })
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn render(pins: &Pins) -> String {
    let mut text = HEADER.to_owned();
    for (folder, pin) in pins {
        let Pin {
            package,
            version,
            source,
            at,
            sha256,
        } = pin;
        // Every value is a plain word or one that was written in this form.
        let _ = write!(
            text,
            "\n[\"{folder}\"]\npackage = \"{package}\"\nversion = \"{version}\"\n\
             source = {source:?}\nat = {at:?}\nsha256 = \"{sha256}\"\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with one package; `write` is its file, and `pins` what is said of it.
    fn tree(write: &str, pins: Option<&str>) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join("deps/clock-1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("world.wit"), write).unwrap();
        if let Some(pins) = pins {
            fs::write(pins_file(tree.path()), pins).unwrap();
        }
        tree
    }

    const CLOCK: &str = "package a:clock@1.0.0;\n";

    fn pinned(text: &str) -> String {
        let pins = render(&update(tree(text, None).path()).unwrap());
        pins.replace("source = \"\"", "source = \"https://example.test/clock\"")
            .replace("at = \"\"", "at = \"tag v1.0.0\"")
    }

    fn problem(write: &str, pins: Option<&str>) -> String {
        let checked = check(tree(write, pins).path());
        checked.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn the_packages_of_this_checkout_are_those_that_are_pinned() {
        check(&Repository::find().path("wit")).unwrap();
    }

    #[test]
    fn a_pin_that_was_written_here_is_right_and_stays_as_it_is() {
        let pins = pinned(CLOCK);
        assert_eq!(problem(CLOCK, Some(&pins)), "");
        let again = tree(CLOCK, Some(&pins));
        assert_eq!(render(&update(again.path()).unwrap()), pins);
        assert!(
            pins.contains("package = \"a:clock\"\nversion = \"1.0.0\""),
            "{pins}"
        );
    }

    #[test]
    fn each_difference_is_told_with_the_command_that_mends_it() {
        let other = "package a:clock@1.0.0;\n// one more line\n";
        let unknown = pinned(CLOCK).replace("clock-1", "clock-2");
        let moving = pinned(CLOCK).replace("tag v1.0.0", "main branch of today");
        let nowhere = render(&update(tree(CLOCK, None).path()).unwrap());
        for (pins, expected) in [
            (
                Some(pinned(other)),
                "clock-1: the folder is not what its pin says",
            ),
            (Some(unknown), "clock-2: there is no such folder"),
            (Some(nowhere), "clock-1: say where it is from"),
            (
                Some(moving),
                "clock-1: `at` must begin with what does not move",
            ),
            (None, "clock-1: the folder is not in wit/deps.toml"),
        ] {
            let problem = problem(CLOCK, pins.as_deref());
            assert!(problem.contains(expected), "{expected}: {problem}");
            assert!(problem.ends_with("run `cargo xtask wit`"), "{problem}");
        }
    }

    #[test]
    fn a_tag_or_a_commit_is_fixed() {
        for (at, expected) in [
            ("tag v0.2.0-draft; a crate has the same", true),
            ("commit 942de935, its folder wit/deps", true),
            (
                "commit f4d699b for `store`, commit c667fe6 for `runtime`",
                true,
            ),
            ("commit of yesterday", false),
            ("commit f4d699", false),
            ("commit f4d699bx", false),
            ("tag ", false),
            ("main branch, f4d699b", false),
        ] {
            assert_eq!(is_fixed(at), expected, "{at}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_documented_command() {
        // printf 'package a:clock@1.0.0;\n' > world.wit; sha256sum *.wit | sha256sum
        let pin = look(tree(CLOCK, None).path(), "clock-1").unwrap();
        assert_eq!(
            pin.sha256,
            "ec5b1114fb2b08565a516657ad9d825970793f71c3fc4caeab93b7c0b34625b6"
        );
    }

    #[test]
    fn a_folder_of_no_package_or_of_two_is_refused() {
        assert!(look(tree("interface x {}\n", None).path(), "clock-1").is_err());
        let two = tree(CLOCK, None);
        fs::write(
            two.path().join("deps/clock-1/more.wit"),
            "package a:other;\n",
        )
        .unwrap();
        assert!(look(two.path(), "clock-1").is_err());
    }

    #[test]
    fn a_package_may_have_no_version() {
        let pin = look(tree("package a:clock;\n", None).path(), "clock-1").unwrap();
        assert_eq!(
            (pin.package.as_str(), pin.version.as_str()),
            ("a:clock", "")
        );
    }
}
