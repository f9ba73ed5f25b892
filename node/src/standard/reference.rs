//! The reference and the packages of the standard programs agree.

use std::{fmt::Write as _, fs, path::Path};

use wrt_host::ImportedFrom;
use wrt_node::Runtime;

const PAGE: &str = "REFERENCE.md";
/// Where the tables for people end, and the one of all names begins.
const BY_NAME: &str = "\n### By name\n";

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    fs::read_to_string(path).expect("the reference is there")
}

/// A row for each interface that a component may import, and for each that it may export to be called.
fn table(runtime: &Runtime) -> String {
    let mut rows = Vec::new();
    for package in runtime.packages() {
        for imported in package.imported() {
            let server = match &imported.server {
                ImportedFrom::Node => "the node".to_owned(),
                ImportedFrom::Link(kind) => format!("a link of `{}`", kind.interface),
                ImportedFrom::OptionalLink(kind) => {
                    format!("a link of `{}`, or none", kind.interface)
                }
            };
            let wit = imported.wit.iter();
            rows.extend(wit.map(|wit| format!("| `{wit}` | imported | {server} |")));
        }
        for exported in package.exported() {
            let offer = format!("offers `{}`", exported.interface);
            let wit = exported.wit.iter();
            rows.extend(wit.map(|wit| format!("| `{}` | exported | {offer} |", line_of(wit))));
        }
    }
    rows.sort();
    let mut table = "| interface | | served by |\n|---|---|---|\n".to_owned();
    for row in rows {
        let _ = writeln!(table, "{row}");
    }
    table
}

/// What names of exports begin with, as people write it: `0.2.x`.
fn line_of(start: &str) -> String {
    match start.ends_with('.') {
        true => format!("{start}x"),
        false => start.to_owned(),
    }
}

#[test]
fn the_reference_names_each_interface_that_is_served() {
    let table = table(&super::runtime().expect("they go together"));
    let page = page();
    assert!(
        page.contains(&format!("{BY_NAME}\n{table}\n")),
        "{PAGE}: under{BY_NAME}stands not\n\n{table}"
    );
}

/// A row of the first two tables that has the package, the interface and the version, or its line.
#[test]
fn the_reference_tells_people_of_each_interface() {
    let page = page();
    let (for_people, _) = page.split_once(BY_NAME).expect("there is such a table");
    let runtime = super::runtime().expect("they go together");
    let imported = runtime.packages().iter().flat_map(|it| it.wit());
    for wit in imported {
        let (name, version) = wit.split_once('@').unwrap_or((wit, ""));
        let (package, interface) = name.split_once('/').expect("a name has both");
        // Drafts are themselves alone, and releases stand for their line.
        let line = version
            .rsplit_once('.')
            .map(|(line, _)| format!("{line}.x"));
        let line = line.filter(|_| !version.contains('-'));
        let versions = [Some(version.to_owned()), line];
        let tells = |row: &&str| {
            let has_version = versions.iter().flatten().any(|it| row.contains(it));
            row.contains(package) && row.contains(interface) && has_version
        };
        let mut rows = for_people.lines().filter(|row| row.starts_with("| "));
        let told = rows.find(tells);
        assert!(told.is_some(), "{PAGE} does not tell of {wit}");
    }
}
