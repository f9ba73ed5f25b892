//! Manifests, right and wrong. Each wrong one has a snapshot of what its author is told.

#![cfg(test)]

use bytes::Bytes;
use wrt_deployment::{
    Catalog, Checked, ComponentSource, Config, ConfigComplaint, ConfigValue, ImportServer,
    Manifest, Problems, ProviderBackend, Scope, SourceComplaint, TriggerBackend,
};
use wrt_protocol::{InterfaceName, Name};

const KEYVALUE: InterfaceName = InterfaceName::from_static("wasi:keyvalue");
const HTTP: InterfaceName = InterfaceName::from_static("wasi:http/handler");

/// A small world: two stores, one that is no store, one HTTP server, and components by file name.
struct World;

impl Catalog for World {
    fn provider_backends(&self) -> Vec<ProviderBackend> {
        let backend = |name: &str, offers: &[InterfaceName]| ProviderBackend {
            name: name.to_owned(),
            offers: offers.to_vec(),
        };
        vec![
            backend("memory", &[KEYVALUE]),
            backend("redis", &[KEYVALUE]),
            backend("vault", &[InterfaceName::from_static("wrt:vault")]),
        ]
    }

    fn trigger_backends(&self) -> Vec<TriggerBackend> {
        vec![TriggerBackend {
            name: "http-server".to_owned(),
            calls: HTTP,
        }]
    }

    fn check_config(&self, backend: &str, config: &Config) -> Result<(), ConfigComplaint> {
        let fields: &[&str] = if backend == "redis" { &["url"] } else { &[] };
        for (field, value) in &config.0 {
            if !fields.contains(&field.as_str()) {
                return Err(ConfigComplaint {
                    field: Some(field.clone()),
                    message: format!("backend `{backend}` has no setting `{field}`"),
                    help: format!("it has: {}", fields.join(", ")),
                });
            }
            if matches!(value, ConfigValue::Integer(_)) {
                return Err(ConfigComplaint {
                    field: Some(field.clone()),
                    message: format!("`{field}` is a number"),
                    help: "make it a text".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn component(&self, source: &str) -> Result<ComponentSource, SourceComplaint> {
        let (imports, exports): (&[&str], &[&str]) = match source {
            "counter.wasm" => (
                &[
                    "wasi:cli/environment@0.2.6",
                    "wasi:keyvalue/store@0.2.0-draft2",
                ],
                &["wasi:http/incoming-handler@0.2.6"],
            ),
            "hello.wasm" => (&[], &["wasi:http/handler@0.3.0"]),
            "library.wasm" => (&[], &["acme:prices/list@1.0.0"]),
            "odd.wasm" => (&["acme:prices/list@1.0.0"], &["wasi:http/handler@0.3.0"]),
            _ => {
                return Err(SourceComplaint {
                    message: format!("cannot read {source}: no such file"),
                    help: "build it first; a path is relative to the manifest".to_owned(),
                });
            }
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let bytes = Bytes::from(source.to_owned());
        Ok(ComponentSource {
            bytes,
            imports: owned(imports),
            exports: owned(exports),
        })
    }

    fn import(&self, import: &str) -> ImportServer {
        match import {
            import if import.starts_with("wasi:cli/") => ImportServer::Node,
            "wasi:keyvalue/store@0.2.0-draft2" => ImportServer::Link(KEYVALUE),
            _ => ImportServer::Nobody {
                hint: "this node has no such interface".to_owned(),
            },
        }
    }

    fn export(&self, export: &str) -> Option<InterfaceName> {
        export.starts_with("wasi:http/").then_some(HTTP)
    }
}

fn read(text: &str, scope: Scope) -> Result<Checked, Problems> {
    Manifest::read("app.toml", text)?.check(&World, scope)
}

fn told(text: &str) -> String {
    read(text, Scope::Lattice)
        .expect_err("the manifest is wrong")
        .to_string()
}

const COUNTER: &str = r#"
[app]
name = "counter"

[component.counter]
source = "counter.wasm"
links = { "wasi:keyvalue" = "store" }

[provider.store]
backend = "memory"

[trigger.web]
backend = "http-server"
address = "127.0.0.1:8080"
routes = [{ host = "*", path = "/", component = "counter" }]
"#;

/// The counter with one part replaced by another: a manifest with one mistake.
fn counter_with(right: &str, wrong: &str) -> String {
    assert_eq!(COUNTER.matches(right).count(), 1, "{right}");
    COUNTER.replace(right, wrong)
}

#[test]
fn a_right_manifest_becomes_what_is_stored() {
    let checked = read(COUNTER, Scope::Lattice).unwrap();
    assert_eq!(checked.components.len(), 1);
    let stored: serde_json::Value = serde_json::from_slice(&checked.app.to_json()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored).unwrap());
}

#[test]
fn every_setting_is_read() {
    let text = r#"
        [app]
        name = "shop"
        [component.cart]
        source = "counter.wasm"
        environment = { GREETING = "hi" }
        labels = { zone = "west" }
        replicas = 3
        [component.cart.links."wasi:keyvalue"]
        default = "store"
        sessions = "cache"
        [component.cart.limits]
        memory_bytes_max = 67108864
        wall_time_ms_max = 10_000
        concurrency_max = 0x40
        queue_max = 256
        [provider.store]
        backend = "redis"
        nodes = ["c"]
        config = { url = { env = "REDIS_URL" } }
        limits = { concurrency_max = 16, queue_max = 32 }
        [provider.cache]
        backend = "memory"
        [[trigger.web.routes]]
        component = "cart"
        [trigger.web]
        backend = "http-server"
        address = "0.0.0.0:80"
        request_timeout_ms = 5000
        nodes = ["a", "b"]
    "#;
    let checked = read(text, Scope::Lattice).unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&checked.app.to_json()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored).unwrap());
    let cache = checked.app.components.values().next().unwrap().links[&KEYVALUE]
        [&Name::new("sessions").unwrap()]
        .to_string();
    assert_eq!(cache, "cache");
}

/// Each mistake, as a name, what is right, and what stands there instead.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("syntax", "name = \"counter\"", "name = counter"),
    ("unknown_field", "source =", "environmint = {}\nsource ="),
    (
        "unknown_table",
        "[app]",
        "[components.x]\nsource = \"x\"\n[app]",
    ),
    ("missing_field", "backend = \"memory\"\n", ""),
    ("missing_app", "[app]\nname = \"counter\"\n", ""),
    ("wrong_type", "source = \"counter.wasm\"", "source = 7"),
    ("bad_name", "name = \"counter\"", "name = \"My Counter\""),
    (
        "bad_component_name",
        "[component.counter]",
        "[component.\"a.b\"]",
    ),
    ("name_used_twice", "[trigger.web]", "[trigger.store]"),
    (
        "limit_zero",
        "source =",
        "limits = { concurrency_max = 0 }\nsource =",
    ),
    (
        "limit_too_large",
        "source =",
        "limits = { memory_bytes_max = 99999999999 }\nsource =",
    ),
    (
        "limit_unknown",
        "source =",
        "limits = { memory_max = 1 }\nsource =",
    ),
    (
        "nodes_and_replicas",
        "source =",
        "nodes = [\"a\"]\nreplicas = 2\nsource =",
    ),
    ("no_nodes", "source =", "nodes = []\nsource ="),
    (
        "environment_key",
        "source =",
        "environment = { \"A=B\" = \"x\" }\nsource =",
    ),
    ("unknown_backend", "\"memory\"", "\"rediss\""),
    ("backend_of_a_trigger", "\"memory\"", "\"http-server\""),
    (
        "unknown_trigger_backend",
        "\"http-server\"",
        "\"htp-server\"",
    ),
    (
        "unknown_setting",
        "\"memory\"",
        "\"redis\"\nconfig = { uri = \"x\" }",
    ),
    (
        "bad_reference",
        "\"memory\"",
        "\"redis\"\nconfig = { url = { env = 7 } }",
    ),
    ("missing_source", "\"counter.wasm\"", "\"nowhere.wasm\""),
    (
        "unknown_interface",
        "\"wasi:keyvalue\" =",
        "\"wasi:keyvalu\" =",
    ),
    ("missing_provider", "= \"store\"", "= \"stoer\""),
    ("wrong_provider", "\"memory\"", "\"vault\""),
    (
        "missing_link",
        "links = { \"wasi:keyvalue\" = \"store\" }\n",
        "",
    ),
    ("unused_link", "\"counter.wasm\"", "\"hello.wasm\""),
    (
        "unserved_import",
        "\"counter.wasm\"\nlinks = { \"wasi:keyvalue\" = \"store\" }",
        "\"odd.wasm\"",
    ),
    (
        "route_to_nowhere",
        "component = \"counter\"",
        "component = \"conter\"",
    ),
    (
        "route_without_http",
        "\"counter.wasm\"\nlinks = { \"wasi:keyvalue\" = \"store\" }",
        "\"library.wasm\"",
    ),
    (
        "no_route",
        "routes = [{ host = \"*\", path = \"/\", component = \"counter\" }]",
        "routes = []",
    ),
    (
        "duplicate_route",
        "component = \"counter\" }]",
        "component = \"counter\" }, { component = \"counter\" }]",
    ),
    ("route_path", "path = \"/\"", "path = \"shop\""),
    ("route_host", "host = \"*\"", "host = \"a b:80\""),
    ("address", "\"127.0.0.1:8080\"", "\"localhost\""),
    (
        "port_taken",
        "[trigger.web]",
        "[trigger.api]\nbackend = \"http-server\"\naddress = \"0.0.0.0:8080\"\nroutes = [{ component = \"counter\" }]\n[trigger.web]",
    ),
];

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    for (name, right, wrong) in MISTAKES {
        insta::assert_snapshot!(*name, told(&counter_with(right, wrong)));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"
[app]
name = "shop"
nmae = "x"

[component.cart]
source = "nowhere.wasm"
links = { "wasi:keyvalue" = "nobody" }

[provider.store]
backend = "mongo"

[trigger.web]
backend = "http-server"
address = "here"
routes = [{ component = "nobody" }]
"#;
    insta::assert_snapshot!(told(text));
    let problems = read(text, Scope::Lattice).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&problems).unwrap());
}

#[test]
fn two_triggers_may_share_a_port_on_different_nodes_but_not_in_one_process() {
    let trigger = |name: &str| {
        format!(
            "[trigger.web-{name}]\nbackend = \"http-server\"\nnodes = [\"{name}\"]\n\
             address = \"0.0.0.0:80\"\nroutes = [{{ component = \"hello\" }}]\n"
        )
    };
    let head = "[app]\nname = \"x\"\n[component.hello]\nsource = \"hello.wasm\"\n";
    let text = format!("{head}{}{}", trigger("a"), trigger("b"));
    read(&text, Scope::Lattice).unwrap();
    let problems = read(&text, Scope::SingleNode).unwrap_err();
    assert_eq!(problems.list().len(), 1);
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn a_file_that_is_no_manifest_at_all_is_refused_quickly() {
    let huge = "x".repeat(2 * 1024 * 1024);
    assert!(told(&huge).contains("is this the right file?"));
    assert!(told("\0asm\u{1}").starts_with("error[syntax]"));
}
