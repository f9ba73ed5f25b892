//! Dependencies point one way; see the architecture page.

use super::tree::{Package, Tree, Violation, matches};

const FEATURES: &str = "features";
const PROTOCOL: &str = "cluster/protocol";
const NATS_LOGIN: &str = "cluster/nats-login";
const TRANSPORT: &str = "cluster/transport";
const MEMBERSHIP: &str = "cluster/membership";
const CONTRACT: &str = "actors/contract";
const MACROS: &str = "actors/contract-macros";
const CONFORMANCE: &str = "actors/conformance";
const HOST: &str = "actors/host";
const RUNTIME: &str = "actors/runtime";
const INTERFACES: &str = "providers/interfaces/*";
const BACKENDS: &str = "providers/backends/*";
const SERVERS: &str = "chaos-tests/servers";

/// A crate, and the crates that it may depend on. Tests may depend on any crate but the node.
const EDGES: &[(&str, &[&str])] = &[
    (FEATURES, &[]),
    (PROTOCOL, &[]),
    (NATS_LOGIN, &[FEATURES]),
    (TRANSPORT, &[FEATURES, PROTOCOL, NATS_LOGIN]),
    (MEMBERSHIP, &[PROTOCOL, TRANSPORT]),
    ("cluster/deployment", &[FEATURES, PROTOCOL, TRANSPORT]),
    (MACROS, &[]),
    (CONTRACT, &[PROTOCOL, MACROS]),
    (
        "actors/request",
        &[PROTOCOL, TRANSPORT, MEMBERSHIP, CONTRACT],
    ),
    (HOST, &[FEATURES, PROTOCOL, CONTRACT]),
    (RUNTIME, &[PROTOCOL, CONTRACT, HOST]),
    ("actors/component", &[PROTOCOL, CONTRACT, HOST]),
    ("actors/supervision", &[PROTOCOL, CONTRACT, HOST]),
    (CONFORMANCE, &[]),
    (
        "actors/test-kit",
        &[
            PROTOCOL,
            TRANSPORT,
            MEMBERSHIP,
            CONTRACT,
            "actors/request",
            HOST,
            RUNTIME,
            CONFORMANCE,
            SERVERS,
        ],
    ),
    (
        INTERFACES,
        &[PROTOCOL, CONTRACT, CONFORMANCE, HOST, RUNTIME],
    ),
    ("providers/guest-macros", &[]),
    // What guests are made with; of ours nothing on the host but a macro.
    ("providers/guest", &["providers/guest-macros", INTERFACES]),
    // A bundle of two others.
    (
        "providers/backends/http-default",
        &[RUNTIME, INTERFACES, BACKENDS],
    ),
    (
        BACKENDS,
        &[PROTOCOL, NATS_LOGIN, CONTRACT, RUNTIME, INTERFACES],
    ),
    ("node", &["cluster/*", "actors/*", INTERFACES, BACKENDS]),
    ("node/xtask", &[SERVERS]),
    // A program of its own, as others make one: the node in a test of a component.
    (
        "node/guest-test",
        &["node", FEATURES, "cluster/*", "actors/*", INTERFACES],
    ),
    ("node/demo", &["chaos-tests"]),
    (
        "node/bench",
        &[
            "cluster/*",
            "actors/*",
            INTERFACES,
            BACKENDS,
            "chaos-tests",
            SERVERS,
        ],
    ),
    ("chaos-tests", &[SERVERS]),
    (SERVERS, &[]),
];

/// Crates from outside that only some of ours may use, tests aside.
const CONFINED: &[(&str, &[&str])] = &[
    // An error that peers, guests or callers can see has a type.
    ("anyhow", &["node", "node/*", "chaos-tests", FEATURES]),
    ("redis", &["providers/backends/redis", "node/*"]),
    ("rdkafka", &["providers/backends/kafka"]),
    ("mongodb", &["providers/backends/mongodb"]),
    (
        "async-nats",
        &[
            NATS_LOGIN,
            TRANSPORT,
            "cluster/deployment",
            "providers/backends/nats",
            "node",
            "node/*",
            "chaos-tests",
        ],
    ),
];

pub fn direction(tree: &Tree) -> Vec<Violation> {
    let packages = tree.packages();
    let mut violations = Vec::new();
    for package in &packages {
        let edges = EDGES
            .iter()
            .find(|(folder, _)| matches(folder, package.folder));
        let Some((_, allowed)) = edges else {
            violations
                .push(package.violation("not in the table of node/tests/tidy/dependencies.rs"));
            continue;
        };
        for (name, for_tests_only) in dependencies(package) {
            let Some(target) = packages.iter().find(|other| other.name == name) else {
                continue;
            };
            let is_allowed = match for_tests_only {
                true => target.folder != "node",
                false => allowed.iter().any(|folder| matches(folder, target.folder)),
            };
            if !is_allowed {
                let message = format!("`{}` must not depend on `{name}`", package.name);
                violations.push(package.violation(message));
            }
        }
    }
    violations
}

pub fn confined(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in tree.packages() {
        for (name, _) in dependencies(&package)
            .into_iter()
            .filter(|(_, tests_only)| !tests_only)
        {
            let rule = CONFINED.iter().find(|(confined, _)| *confined == name);
            let Some((_, rooms)) = rule else { continue };
            if !rooms.iter().any(|folder| matches(folder, package.folder)) {
                let message = format!("`{name}` is only for {}", rooms.join(", "));
                violations.push(package.violation(message));
            }
        }
    }
    violations
}

/// The names of what a crate depends on, and whether only its tests do.
fn dependencies(package: &Package<'_>) -> Vec<(String, bool)> {
    let targets = package
        .manifest
        .get("target")
        .and_then(toml::Value::as_table);
    let for_targets = targets
        .into_iter()
        .flat_map(|targets| targets.values())
        .filter_map(|table| table.as_table());
    let mut found = Vec::new();
    for table in std::iter::once(&package.manifest).chain(for_targets) {
        for (section, for_tests_only) in [
            ("dependencies", false),
            ("build-dependencies", false),
            ("dev-dependencies", true),
        ] {
            let entries = table.get(section).and_then(toml::Value::as_table);
            for (key, value) in entries.into_iter().flatten() {
                let renamed = value.get("package").and_then(toml::Value::as_str);
                found.push((renamed.unwrap_or(key).to_owned(), for_tests_only));
            }
        }
    }
    found
}

mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<Violation>, folder: &str, sections: &str, expected: &[&str]) {
        let manifest = format!("package.name = \"subject\"\n{sections}");
        let path = format!("{folder}/Cargo.toml");
        let tree = Tree::of(&[
            ("cluster/protocol/Cargo.toml", "package.name = \"protocol\""),
            ("actors/host/Cargo.toml", "package.name = \"host\""),
            (
                "providers/interfaces/kv/Cargo.toml",
                "package.name = \"kv\"",
            ),
            ("node/Cargo.toml", "package.name = \"node\""),
            (&path, &manifest),
        ]);
        let messages: Vec<_> = rule(&tree).into_iter().map(|found| found.message).collect();
        assert_eq!(messages, expected, "{folder}: {sections}");
    }

    #[test]
    fn an_edge_that_the_table_does_not_have_is_found() {
        let backend = "providers/backends/x";
        check(
            direction,
            backend,
            "dependencies.protocol = \"1\"\ndependencies.kv = \"1\"",
            &[],
        );
        let no_host = ["`subject` must not depend on `host`"];
        check(direction, backend, "dependencies.host = \"1\"", &no_host);
        check(
            direction,
            backend,
            "build-dependencies.host = \"1\"",
            &no_host,
        );
        check(
            direction,
            backend,
            "target.'cfg(unix)'.dependencies.host.path = \"\"",
            &no_host,
        );
        check(
            direction,
            backend,
            "dependencies.other = { package = \"host\" }",
            &no_host,
        );
        check(direction, backend, "dev-dependencies.host = \"1\"", &[]);
        check(
            direction,
            "cluster/transport",
            "dependencies.unknown = \"1\"",
            &[],
        );
    }

    #[test]
    fn nothing_depends_on_the_node_not_even_tests() {
        let expected = ["`subject` must not depend on `node`"];
        check(
            direction,
            "chaos-tests",
            "dependencies.node = \"1\"",
            &expected,
        );
        check(
            direction,
            "chaos-tests",
            "dev-dependencies.node = \"1\"",
            &expected,
        );
    }

    #[test]
    fn a_crate_that_the_table_does_not_have_is_found() {
        let expected = ["not in the table of node/tests/tidy/dependencies.rs"];
        check(direction, "cluster/gossip", "", &expected);
    }

    #[test]
    fn a_confined_crate_is_found_outside_its_rooms() {
        let expected = ["`redis` is only for providers/backends/redis, node/*"];
        check(
            confined,
            "providers/interfaces/x",
            "dependencies.redis = \"1\"",
            &expected,
        );
        check(
            confined,
            "providers/interfaces/x",
            "dev-dependencies.redis = \"1\"",
            &[],
        );
        check(
            confined,
            "providers/backends/redis",
            "dependencies.redis = \"1\"",
            &[],
        );
    }
}
