//! What is written is built, linted, tested and held to the house rules, on both sides, in a copy of the
//! checkout.
//!
//! The copy has the new crates for members, and all others where they lie: so what a build of the
//! workspace has left is not built again.

use std::process::Command;

use toml::{Table, Value};

use super::*;

const FIRST: &str = "providers/interfaces/first-part";
/// The parts: their kinds, names and interfaces, and where they lie.
const PARTS: [(&str, &str, Option<&str>, &str); 4] = [
    ("interface", "first-part", None, FIRST),
    (
        "backend",
        "second",
        Some("first-part"),
        "providers/backends/second",
    ),
    (
        "trigger",
        "third-part",
        None,
        "providers/backends/third-part",
    ),
    ("guest", "fourth-part", None, "examples/fourth-part"),
];
/// Where the crate with all that is in the edited `runtime!` lies.
const PROGRAM: &str = "node";
const GUEST_CFG: &str = "build.rustflags=[\"--cfg=wrt_guest\"]";

#[test]
fn every_kind_is_built_and_passes_its_tests_the_lints_and_the_house_rules() {
    let repository = Repository::find();
    // Always the same folder, so that a second run finds what the first one has built.
    let root = &repository.target().join("tmp/new-parts");
    if root.exists() {
        fs::remove_dir_all(root).unwrap();
    }
    fs::create_dir_all(root).unwrap();
    let root = &root.canonicalize().unwrap();
    copy(&repository.path(""), root);
    for (kind_name, part, interface, _) in PARTS {
        let written = write(kind(kind_name), part, interface, root).unwrap();
        format(&repository, &written).unwrap();
    }
    let cargo = |arguments: &str, target: PathBuf| {
        let mut cargo = repository.cargo(arguments);
        cargo.current_dir(root).env("CARGO_TARGET_DIR", target);
        cargo
    };
    says_nothing(cargo("fmt --all --check", repository.target()));
    house_rules(&repository, root);

    adopt(&repository, root, "Cargo.toml");
    for (_, _, _, folder) in PARTS {
        adopt(&repository, root, &format!("{folder}/Cargo.toml"));
    }
    make_program(&repository, root);
    // The linter compiles as well, so that what is built need not be looked at once more; cargo's own
    // command tells it in the same way.
    let mut tests = cargo("test --workspace --offline --quiet", repository.target());
    tests.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env(
        "CLIPPY_ARGS",
        "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
    );
    says_nothing(tests);

    let guests = repository.path("examples/target");
    let mut lint = cargo(
        "clippy --offline --quiet --package wrt-first-part",
        guests.clone(),
    );
    lint.args(["--config", GUEST_CFG, "--", "-D", "warnings"]);
    says_nothing(lint);
    use_interface(root);
    adopt(&repository, root, "examples/Cargo.toml");
    let mut lint = cargo("clippy --offline --quiet --workspace --all-targets", guests);
    lint.current_dir(root.join("examples"));
    lint.args(["--config", GUEST_CFG, "--", "-D", "warnings"]);
    says_nothing(lint);
}

/// All but what builds have left, and what the version control keeps.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_file() {
            fs::copy(from, to).unwrap();
        } else if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git" {
            fs::create_dir(&to).unwrap();
            copy(&from, &to);
        }
    }
}

/// The rules look at the folder that they are told.
fn house_rules(repository: &Repository, root: &Path) {
    let build = "test --offline --package wrt-node --test tidy --no-run --message-format short";
    let built = repository.cargo(build).output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    let path = said
        .rsplit_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    let (path, _) = path.unwrap_or_else(|| panic!("{said}"));
    let rules = Command::new(repository.path(path))
        .env("CARGO_MANIFEST_DIR", root.join("node"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&rules.stdout);
    assert!(rules.status.success(), "{said}");
}

/// Makes a manifest's paths lead to the checkout, but those to new crates; and of a workspace, the
/// new crates its only members.
fn adopt(repository: &Repository, root: &Path, manifest: &str) {
    let path = root.join(manifest);
    let mut table: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let folder = Path::new(manifest).parent().unwrap();
    lead_out(repository, root, folder, &mut table);
    if let Some(workspace) = table.get_mut("workspace") {
        let within = |folder: &str| {
            let within = Path::new(folder).strip_prefix(manifest.trim_end_matches("Cargo.toml"));
            within.ok().map(|within| within.display().to_string())
        };
        let in_examples = |folder: &str| folder.starts_with("examples/");
        let parts = PARTS.map(|(_, _, _, folder)| folder).into_iter();
        let members = parts
            .chain([PROGRAM])
            .filter(|member| in_examples(member) == in_examples(manifest))
            .filter_map(within);
        workspace["members"] = Value::Array(members.map(Value::String).collect());
        workspace.as_table_mut().unwrap().remove("default-members");
    }
    fs::write(&path, table.to_string()).unwrap();
}

fn lead_out(repository: &Repository, root: &Path, folder: &Path, table: &mut Table) {
    for (key, value) in table {
        match value {
            Value::Table(table) => lead_out(repository, root, folder, table),
            Value::String(path) if key == "path" => {
                // Not all of the folders on the way to it are in the checkout.
                let Ok(here) = root.join(folder).join(&path).canonicalize() else {
                    continue;
                };
                let from_root = here.strip_prefix(root).unwrap();
                let there = repository.path("").join(from_root);
                if there.exists() {
                    *path = there.display().to_string();
                }
            }
            _ => {}
        }
    }
}

/// A crate of the edited lines: what `node/Cargo.toml` has for the standard programs alone, and the
/// table itself. Not a program, which would take seconds to link.
fn make_program(repository: &Repository, root: &Path) {
    let path = root.join(PROGRAM).join("Cargo.toml");
    let node: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let mut program = toml::toml! {
        lints.workspace = true
        lib = { path = "src/standard.rs", test = false, doctest = false }
        [package]
        name = "new-program"
        edition.workspace = true
        autobins = false
        autotests = false
        [dependencies]
        wrt-node = { path = ".", default-features = false }
    };
    let features = node["features"].as_table().unwrap().keys();
    let features: Vec<_> = features
        .filter(|name| *name != "default")
        .cloned()
        .collect();
    let mut all = Table::from_iter([("default".to_owned(), Value::from(features.clone()))]);
    all.extend(
        features
            .into_iter()
            .map(|name| (name, Value::Array(Vec::new()))),
    );
    program.insert("features".to_owned(), Value::Table(all));
    let dependencies = program["dependencies"].as_table_mut().unwrap();
    for (name, dependency) in node["dependencies"].as_table().unwrap() {
        let is_part = dependency.get("path").is_some();
        if is_part && dependency.get("optional").is_some() {
            let path = Table::from_iter([("path".to_owned(), dependency["path"].clone())]);
            dependencies.insert(name.clone(), Value::Table(path));
        }
    }
    lead_out(repository, root, Path::new(PROGRAM), &mut program);
    fs::write(&path, program.to_string()).unwrap();
}

/// The new guest calls the new interface.
fn use_interface(root: &Path) {
    let guest = root.join(PARTS[3].3);
    let append = |path: &str, text: &str| {
        let path = guest.join(path);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, before + text).unwrap();
    };
    append(
        "Cargo.toml",
        &format!("[dependencies.wrt-first-part]\npath = \"../../{FIRST}\"\n"),
    );
    append(
        "src/lib.rs",
        "\n/// The text as it was given.\n///\n/// # Errors\n/// As the interface has it.\n\
         pub fn ask(text: &str) -> Result<String, wrt_first_part::Error> {\n    \
         wrt_first_part::echo(text)\n}\n",
    );
}

/// Of what is not quiet about what is wrong, only the results of tests.
fn says_nothing(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.is_empty(),
        "{command:?}\n{told}\n{said}"
    );
}
