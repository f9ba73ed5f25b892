//! Links that end at a component: a store that is one, between others and the store in memory.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::running::{Running, guest, repository, request, write_manifest};

fn expect(address: &str, method: &str, path: &str, expected: &str) {
    let answer = request(address, method, path, "");
    assert_eq!(answer, (200, expected.to_owned()), "{method} {path}");
}

#[test]
fn the_example_counts() {
    guest("counter");
    guest("namespace");
    let manifest = repository("examples/namespace/app.toml");
    let manifest = manifest.display().to_string();
    let running = Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]);
    let address = running.address("web");
    expect(&address, "POST", "/visits", "1");
    expect(&address, "POST", "/visits", "2");
    expect(&address, "GET", "/visits", "2");
    expect(&address, "DELETE", "/visits", "0");
    expect(&address, "GET", "/visits", "0");
    running.stop();
}

/// One store for three: two with a namespace, and one that sees all of it.
fn shared(folder: &TempDir) -> Running {
    let (namespace, counter) = (guest("namespace"), guest("counter"));
    let mut text = format!(
        r#"
[app]
name = "shared"

[provider.store]
backend = "memory"

[component.all]
source = "{}"
links = {{ "wasi:keyvalue" = "store" }}

[provider.web-all]
backend = "http-server"
config = {{ address = "127.0.0.1:0" }}
calls = [{{ component = "all" }}]
"#,
        counter.display()
    );
    for (name, source) in [("a", counter), ("b", guest("keyvalue_draft"))] {
        text += &format!(
            r#"
[component.{name}]
source = "{}"
links = {{ "wasi:keyvalue" = "namespace-{name}" }}

[component.namespace-{name}]
source = "{}"
environment = {{ NAMESPACE = "{name}." }}
links = {{ "wasi:keyvalue" = "store" }}

[provider.web-{name}]
backend = "http-server"
config = {{ address = "127.0.0.1:0" }}
calls = [{{ component = "{name}" }}]
"#,
            source.display(),
            namespace.display()
        );
    }
    let manifest = write_manifest(folder.path(), &text).display().to_string();
    Running::start(&[&manifest])
}

#[test]
fn namespaces_of_one_store_do_not_see_each_other() {
    let folder = TempDir::new().unwrap();
    let running = shared(&folder);
    let (all, a, b) = (
        running.address("web-all"),
        running.address("web-a"),
        running.address("web-b"),
    );
    expect(&a, "POST", "/visits", "1");
    expect(&a, "POST", "/visits", "2");
    // Through the older draft, and a read that is a batch: the component exports none.
    expect(&b, "POST", "/visits", "1");
    expect(&b, "GET", "/visits", "1");
    expect(&b, "POST", "/others", "1");
    expect(&all, "GET", "/visits", "0");
    expect(&all, "GET", "/a.visits", "2");
    expect(&all, "GET", "/b.visits", "1");
    let (_, listed) = request(&b, "GET", "/", "");
    let keys: BTreeSet<_> = listed.lines().collect();
    assert_eq!(keys, ["others", "visits"].into());
    expect(&a, "DELETE", "/visits", "0");
    expect(&all, "GET", "/a.visits", "0");
    expect(&b, "GET", "/visits", "1");
    running.stop();
}
