//! What is written, in folders of its own.

mod built;

use super::*;

/// A folder with what the lines go into.
fn workspace() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in ["node/Cargo.toml", "node/src/standard.rs"] {
        let to = root.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Repository::find().path(file), to).unwrap();
    }
    root
}

fn kind(name: &str) -> &'static Kind {
    let kind = KINDS.iter().find(|kind| kind.name == name);
    kind.unwrap_or_else(|| panic!("no kind {name}"))
}

fn parses(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    assert!(!text.contains("{{"), "{}:\n{text}", path.display());
    let problem = match path.extension().and_then(|ending| ending.to_str()) {
        Some("rs") => syn::parse_file(&text).err().map(|error| error.to_string()),
        Some("toml") => text
            .parse::<toml::Table>()
            .err()
            .map(|error| error.to_string()),
        _ => None,
    };
    assert_eq!(problem, None, "{}:\n{text}", path.display());
}

#[test]
fn every_kind_parses_and_a_backend_follows_its_interface() {
    let root = workspace();
    let mut count = 0;
    for (name, part, interface) in [
        ("interface", "first-part", None),
        ("backend", "second-part", Some("first-part")),
        ("backend", "third", Some("keyvalue")),
        ("trigger", "fourth", None),
        ("guest", "fifth-part", None),
    ] {
        let written = write(kind(name), part, interface, root.path()).unwrap();
        for path in &written {
            parses(path);
        }
        count += written.len();
    }
    assert!(count > KINDS.len() * 4, "{count} files");

    let standard = fs::read_to_string(root.path().join("node/src/standard.rs")).unwrap();
    for expected in [
        "use wrt_first_part::{FirstPartDefault, WrtFirstPart};",
        "    WrtFirstPart: [FirstPartDefault, SecondPart],",
        ", Third],",
        "    WasiHttp: [HttpDefault, Fourth],",
    ] {
        assert!(standard.contains(expected), "{expected}\n{standard}");
    }
    let read = |path| fs::read_to_string(root.path().join(path)).unwrap();
    let node: toml::Table = read("node/Cargo.toml").parse().unwrap();
    for name in [
        "wrt-first-part",
        "wrt-second-part",
        "wrt-third",
        "wrt-fourth",
    ] {
        let path = node["dependencies"][name]["path"].as_str();
        let folder = path.map(|path| root.path().join("node").join(path));
        assert!(folder.is_some_and(|folder| folder.is_dir()), "{name}");
    }
}

#[test]
fn bad_names_and_taken_ones_write_nothing() {
    let root = tempfile::tempdir().unwrap();
    let guest = |name| write(kind("guest"), name, None, root.path());
    for bad in ["", "Upper", "-x", "x-", "../up", "1st", "a_b"] {
        assert!(guest(bad).is_err(), "{bad}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    guest("one").unwrap();
    assert!(guest("one").is_err());
}

#[test]
fn a_backend_of_nothing_writes_nothing() {
    let root = workspace();
    let error = write(kind("backend"), "lost", Some("nothing"), root.path()).unwrap_err();
    assert!(error.to_string().contains("`nothing`"), "{error}");
    assert!(!root.path().join("providers").exists());
}
