//! The reference and what the program says of its backends agree.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use serde_json::Value;

use super::{
    backends::{all, text},
    running::repository,
    spelling::{any, is_in},
};

/// What providers are asked for by operators, by nodes and by each other, and never by a component.
const OF_NODES: [&str; 5] = [
    "wrt:dead-letters",
    "wrt:jobs",
    "wrt:secrets",
    "wrt:subscriptions",
    "wrt:websocket-listener",
];

/// The cells of each row of a table, below its heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(repository("node/REFERENCE.md")).unwrap();
    let (_, chapter) = page.split_once(heading).expect("there is such a chapter");
    let chapter = chapter.split("\n#").next().expect("it has a beginning");
    let rows = chapter.lines().filter(|line| line.starts_with("| "));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// What stands between backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn list<'a>(backend: &'a Value, field: &str) -> Vec<&'a str> {
    let values = backend[field].as_array().expect("it is a list").iter();
    values.filter_map(Value::as_str).collect()
}

/// What is promised is told of each interface on each backend, and of no others.
#[test]
fn the_reference_has_a_row_for_each_interface_on_each_backend() {
    let mut told = BTreeSet::new();
    let mut interfaces = Vec::new();
    for row in rows("\n## Guarantees\n").iter().skip(1) {
        if !row[1].is_empty() {
            interfaces = names(&row[1]);
        }
        for interface in &interfaces {
            told.extend(names(&row[2]).into_iter().map(|it| (interface.clone(), it)));
        }
    }
    let (mut missing, mut known) = (String::new(), BTreeSet::new());
    for backend in all() {
        let name = text(&backend, "backend").unwrap();
        for interface in [list(&backend, "offers"), list(&backend, "calls")].concat() {
            if OF_NODES.contains(&interface) {
                continue;
            }
            // One that calls a package's handler is a backend of the package, or of the handler alone.
            let package = interface.split('/').next().expect("it has a beginning");
            let pairs = [interface, package].map(|it| (it.to_owned(), name.to_owned()));
            if !pairs.iter().any(|pair| told.contains(pair)) {
                let _ = writeln!(missing, "{interface} on {name}");
            }
            known.extend(pairs);
        }
    }
    assert!(missing.is_empty(), "no guarantees are told of\n{missing}");
    // Other packages are served by the same backends, under the same link.
    let is_alias = |(interface, _): &&(String, String)| {
        ["wasi:sql", "wasmcloud:postgres"].contains(&interface.as_str())
    };
    let unknown: Vec<_> = told.difference(&known).filter(|it| !is_alias(it)).collect();
    assert!(unknown.is_empty(), "told of, and not there: {unknown:?}");
}

/// A row of the limits that names a backend and its settings has what they are by default.
#[test]
fn the_reference_has_the_defaults_of_the_settings_that_it_names() {
    let backends = all();
    let (mut wrong, mut seen) = (String::new(), 0);
    for row in rows("\n### Of interfaces\n") {
        let Some((backend, settings)) = row[2].split_once(": `") else {
            continue;
        };
        let backend = backend.trim_matches('`');
        let found = backends
            .iter()
            .filter(|it| text(it, "backend") == Some(backend));
        for setting in names(&format!("`{settings}")) {
            let of = |it: &Value| {
                let settings = it["settings"].as_array()?.iter();
                let found = settings
                    .clone()
                    .find(|it| text(it, "name") == Some(&setting));
                text(found?, "default").map(str::to_owned)
            };
            let defaults: Vec<_> = found.clone().filter_map(of).collect();
            let numbers = defaults.iter().filter_map(|it| it.parse().ok());
            let is_told = |number: u128| any(number).iter().any(|it| is_in(it, &row[3]));
            seen += 1;
            if !numbers.clone().any(is_told) {
                let limit = &row[3];
                let _ = writeln!(
                    wrong,
                    "`{backend}`: `{setting}` | {limit}, and it is {defaults:?}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(seen >= 5, "{seen} settings are told of");
}
