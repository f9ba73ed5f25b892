//! What a build of the whole workspace leaves is what a build of one of its crates needs: cargo decides
//! the features of crates from outside by what it is told to build, and a difference far down means
//! that wasmtime is built anew.

#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::Command,
};

/// Crates that need little and are built alone on purpose: with `wrt-features` they would need more.
const APART: [&str; 12] = [
    "wrt-features",
    "wrt-protocol",
    "wrt-contract",
    "wrt-supervision",
    "wrt-conformance",
    "wrt-guest",
    "wrt-guest-macros",
    "wrt-contract-macros",
    "wrt-test-servers",
    "wrt-chaos-tests",
    "wrt-demo",
    "xtask",
];

/// What macros have of this one, `cargo tree` shows for a crate and not for the workspace.
const HIDDEN: &str = "memchr ";

/// Sets of features by crate and version; there are two of one where macros need another.
type Built = BTreeMap<String, BTreeSet<String>>;

/// What a build of `packages` has of crates from outside; `edges` as `cargo tree` calls them.
fn built(packages: &str, edges: &str) -> Built {
    let mut built = Built::new();
    for line in tree(&format!(
        "{packages} --edges {edges} --prefix none --format {{p}}|{{f}}"
    )) {
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        // One of ours has its folder beside its version.
        if package.contains('/') {
            continue;
        }
        let name = package.trim_end_matches(" (proc-macro)").to_owned();
        let features = features.trim_end_matches(" (*)").to_owned();
        built.entry(name).or_default().insert(features);
    }
    built
}

fn members() -> Vec<String> {
    let lines = tree("--workspace --depth 0 --prefix none --format {p}");
    let name = |line: &String| line.split(' ').next().map(str::to_owned);
    lines.iter().filter_map(name).collect()
}

/// The lines of `cargo tree`; an empty one stands between packages.
fn tree(arguments: &str) -> Vec<String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_unset| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["tree", "--locked"])
        .args(arguments.split(' '))
        .output()
        .expect("cargo starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree {arguments}: {error}");
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// What a build of one crate has otherwise than the `workspace` has it.
fn differences(one: &Built, workspace: &Built) -> Vec<String> {
    let mut differences = Vec::new();
    let told = one
        .iter()
        .filter(|(package, _)| !package.starts_with(HIDDEN));
    for (package, sets) in told {
        let Some(known) = workspace.get(package) else {
            differences.push(format!("{package} is not in a build of the workspace"));
            continue;
        };
        for features in sets.difference(known) {
            let known: Vec<_> = known.iter().map(|known| format!("[{known}]")).collect();
            differences.push(format!(
                "{package} with [{features}]; of the workspace: {}",
                known.join(" and ")
            ));
        }
    }
    differences
}

#[test]
fn a_crate_alone_needs_what_the_workspace_has_built() {
    let mut workspace = built("--workspace", "normal,build");
    for (package, sets) in built("--workspace", "normal,build,dev") {
        workspace.entry(package).or_default().extend(sets);
    }
    let members = members();
    for name in APART {
        let is_member = members.iter().any(|member| member == name);
        assert!(is_member, "{name} is no crate of ours");
    }
    let mut messages = Vec::new();
    for member in members {
        if APART.contains(&member.as_str()) {
            continue;
        }
        for edges in ["normal,build", "normal,build,dev"] {
            let one = built(&format!("--package {member}"), edges);
            let found = differences(&one, &workspace);
            messages.extend(found.into_iter().map(|found| format!("{member}: {found}")));
        }
    }
    // The same for a program outside of this workspace that is made of parts of it, and for the tests of guests.
    for (what, manifest, edges) in [
        (
            "custom-node",
            "examples/custom-node/Cargo.toml",
            "normal,build",
        ),
        ("notes", "examples/notes/Cargo.toml", "normal,build,dev"),
    ] {
        let outside = built(&format!("--manifest-path {manifest}"), edges);
        assert!(!outside.is_empty(), "{what} needs something");
        let found = differences(&outside, &workspace).into_iter();
        messages.extend(found.map(|found| format!("{what}: {found}")));
    }
    messages.dedup();
    assert!(
        messages.is_empty(),
        "add what is missing to features/Cargo.toml:\n{}\n",
        messages.join("\n")
    );
}

#[test]
fn the_fewest_features_are_told_beside_the_workspaces() {
    let build = |entries: &[(&str, &[&str])]| -> Built {
        let entry = |(package, sets): &(&str, &[&str])| {
            let sets = sets.iter().map(|set| (*set).to_owned()).collect();
            ((*package).to_owned(), sets)
        };
        entries.iter().map(entry).collect()
    };
    let workspace = build(&[
        ("log v0.4.35", &["alloc,std"]),
        ("syn v2.0.1", &["", "full"]),
    ]);
    let same = build(&[("log v0.4.35", &["alloc,std"]), ("syn v2.0.1", &["full"])]);
    assert!(differences(&same, &workspace).is_empty());
    let fewer = build(&[("log v0.4.35", &[""]), ("abc v1.0.0", &[""])]);
    let expected = [
        "abc v1.0.0 is not in a build of the workspace",
        "log v0.4.35 with []; of the workspace: [alloc,std]",
    ];
    assert_eq!(differences(&fewer, &workspace), expected);
}
