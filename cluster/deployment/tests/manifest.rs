//! Manifests, right and wrong. Each wrong one has a snapshot of what its author is told.

#![cfg(test)]

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::select};
use wrt_deployment::{
    BackendInfo, Catalog, Checked, ComplaintAbout, ComponentSource, Config, ConfigValue,
    DesiredApp, ImportServer, LinkEnd, Manifest, Problems, ProviderComplaint, ProviderFacts,
    SECRETS, Scope, SourceComplaint,
};
use wrt_protocol::{ComponentNeeds, InterfaceName, Name};

mod manifests {
    mod placement;
}

const KEYVALUE: InterfaceName = InterfaceName::from_static("wasi:keyvalue");
const HTTP: InterfaceName = InterfaceName::from_static("wasi:http");
const HTTP_HANDLER: InterfaceName = InterfaceName::from_static("wasi:http/handler");
const MESSAGING: InterfaceName = InterfaceName::from_static("wasi:messaging");
const MESSAGE_HANDLER: InterfaceName =
    InterfaceName::from_static("wasi:messaging/incoming-handler");
const VAULT: InterfaceName = InterfaceName::from_static("wrt:vault");
const PRICES: InterfaceName = InterfaceName::from_static("acme:prices");

/// A small world: two stores, one that is no store, one HTTP server, one broker that is called and
/// calls, and components by file name.
struct World;

/// The settings and the selection's fields of a backend.
fn fields(backend: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match backend {
        "redis" => (&["url", "deduplicate_for_ms"], &[]),
        "vault" => (&["key", "keys"], &[]),
        "http-server" => (&["address", "request_timeout_ms"], &["host", "path"]),
        "broker" => (&[], &["topic"]),
        _ => (&[], &[]),
    }
}

/// The broker calls components in two ways.
fn called_for(backend: &str, selection: &Config) -> InterfaceName {
    match (backend, selection.0.get("topic")) {
        ("http-server", _) => HTTP_HANDLER,
        (_, Some(ConfigValue::Text(topic))) if topic == "requests" => HTTP_HANDLER,
        _ => MESSAGE_HANDLER,
    }
}

fn complaint(about: ComplaintAbout, message: String, help: String) -> ProviderComplaint {
    ProviderComplaint {
        about,
        message,
        help,
    }
}

fn field_complaint(
    (field, value): (&String, &ConfigValue),
    known: &[&str],
    about: impl Fn(String) -> ComplaintAbout,
) -> Option<ProviderComplaint> {
    let about = about(field.clone());
    if !known.contains(&field.as_str()) {
        let help = format!("it has: {}", known.join(", "));
        return Some(complaint(about, format!("no setting `{field}`"), help));
    }
    let is_wrong = matches!(value, ConfigValue::Boolean(_));
    let message = format!("`{field}` is true or false");
    is_wrong.then(|| complaint(about, message, "make it a text".to_owned()))
}

impl Catalog for World {
    fn backends(&self) -> Vec<BackendInfo> {
        let backend = |name: &str, offers: &[InterfaceName], calls| BackendInfo {
            name: name.to_owned(),
            offers: offers.to_vec(),
            calls,
        };
        let (none, http) = (Vec::new, vec![HTTP_HANDLER]);
        vec![
            backend("memory", &[KEYVALUE], none()),
            backend("redis", &[KEYVALUE], none()),
            backend("vault", &[VAULT, SECRETS], none()),
            backend("http-server", &[], http),
            backend("http-client", &[HTTP], none()),
            backend("broker", &[MESSAGING], vec![MESSAGE_HANDLER, HTTP_HANDLER]),
        ]
    }

    fn check_provider(
        &self,
        backend: &str,
        config: &Config,
        selections: &[Config],
    ) -> Result<ProviderFacts, Vec<ProviderComplaint>> {
        let (settings, selects) = fields(backend);
        let mut complaints: Vec<_> = config
            .0
            .iter()
            .filter_map(|entry| field_complaint(entry, settings, ComplaintAbout::Config))
            .collect();
        for (at, selection) in selections.iter().enumerate() {
            let about = |field| ComplaintAbout::Selection(at, Some(field));
            let of_fields = selection.0.iter();
            complaints.extend(of_fields.filter_map(|entry| field_complaint(entry, selects, about)));
            if selections[..at].contains(selection) {
                let about = ComplaintAbout::Selection(at, None);
                let message = "the same is called for twice".to_owned();
                complaints.push(complaint(about, message, "remove one".to_owned()));
            }
        }
        if backend == "http-server" && !config.0.contains_key("address") {
            let message = "it has no address".to_owned();
            let help = "add `config = { address = \"127.0.0.1:8080\" }`".to_owned();
            complaints.push(complaint(ComplaintAbout::Provider, message, help));
        }
        if !complaints.is_empty() {
            return Err(complaints);
        }
        let address = config.0.get("address").and_then(|address| match address {
            ConfigValue::Text(text) => Some(text.clone()),
            _ => None,
        });
        Ok(ProviderFacts {
            address,
            deduplicates_for_ms: match config.0.get("deduplicate_for_ms") {
                Some(ConfigValue::Integer(millis)) => u64::try_from(*millis).ok(),
                _ => None,
            },
            called: selections
                .iter()
                .map(|selection| called_for(backend, selection))
                .collect(),
        })
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
            "cache.wasm" => (
                &["wasi:keyvalue/store@0.2.0-draft2"],
                &["wasi:keyvalue/store@0.2.0-draft2"],
            ),
            "middleware.wasm" => (&["wasi:http/handler@0.3.0"], &["wasi:http/handler@0.3.0"]),
            "shop.wasm" => (&["acme:prices/list@1.0.0"], &["wasi:http/handler@0.3.0"]),
            "listener.wasm" => (
                &["wasi:messaging/producer@0.2.0-draft"],
                &["wasi:messaging/incoming-handler@0.2.0-draft"],
            ),
            "library.wasm" => (&[], &["acme:prices/list@1.0.0"]),
            "odd.wasm" => (&["acme:odd/list@1.0.0"], &["wasi:http/handler@0.3.0"]),
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
            is_of_0_3: exports.iter().any(|name| name.contains("@0.3.")),
            needs: ComponentNeeds {
                memory_bytes: 17 * 65_536,
                memories: 1,
                core_instances: 3,
                ..ComponentNeeds::default()
            },
        })
    }

    fn import(&self, import: &str) -> ImportServer {
        match import {
            import if import.starts_with("wasi:cli/") => ImportServer::Node,
            "wasi:keyvalue/store@0.2.0-draft2" => ImportServer::Link(KEYVALUE),
            "wasi:http/handler@0.3.0" => ImportServer::Link(HTTP_HANDLER),
            "wasi:messaging/producer@0.2.0-draft" => ImportServer::Link(MESSAGING),
            "acme:prices/list@1.0.0" => ImportServer::Link(PRICES),
            _ => ImportServer::Nobody {
                hint: "this node has no such interface".to_owned(),
            },
        }
    }

    fn exports(&self, export: &str) -> Vec<InterfaceName> {
        match export.split_once('@').map(|(name, _)| name) {
            Some("wasi:http/handler" | "wasi:http/incoming-handler") => vec![HTTP, HTTP_HANDLER],
            Some("wasi:keyvalue/store") => vec![KEYVALUE],
            Some("wasi:messaging/incoming-handler") => vec![MESSAGE_HANDLER],
            Some("acme:prices/list") => vec![PRICES],
            _ => Vec::new(),
        }
    }
}

fn read(text: &str, scope: Scope) -> Result<Checked, Problems> {
    Manifest::read("app.toml", text)?.check(&World, scope, &[])
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

[provider.web]
backend = "http-server"
config = { address = "127.0.0.1:8080" }
calls = [{ component = "counter", host = "*", path = "/" }]
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
        queue_max = 0
        table_elements_max = 1000
        tables_max = 2
        memories_max = 1
        core_instances_max = 50
        invocations_per_instance_max = 1000
        instance_idle_ms_max = 0
        instances_kept_max = 8
        [component.front]
        source = "middleware.wasm"
        limits = { invocations_at_once_max = 16 }
        links = { "wasi:http/handler" = "cart" }
        [provider.store]
        backend = "redis"
        nodes = ["c"]
        config = { url = { env = "REDIS_URL" }, deduplicate_for_ms = 60_000 }
        limits = { concurrency_max = 16, queue_max = 32 }
        [provider.cache]
        backend = "memory"
        [[provider.web.calls]]
        component = "front"
        [[provider.web.calls]]
        component = "cart"
        path = "/cart"
        [provider.web]
        backend = "http-server"
        config = { address = "0.0.0.0:80", request_timeout_ms = 5000 }
        nodes = ["a", "b"]
    "#;
    let checked = read(text, Scope::Lattice).unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&checked.app.to_json()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored).unwrap());
    let name = |name: &str| Name::new(name).unwrap();
    let components = &checked.app.components;
    let end = &components[&name("cart")].links[&KEYVALUE][&name("sessions")];
    assert_eq!(*end, LinkEnd::Provider(name("cache")));
    let end = &components[&name("front")].links[&HTTP_HANDLER][&name("default")];
    assert_eq!(*end, LinkEnd::Component(name("cart")));
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
        "several_at_once_in_0_2",
        "source =",
        "limits = { invocations_at_once_max = 8 }\nsource =",
    ),
    (
        "too_many_at_once",
        "source =",
        "limits = { invocations_at_once_max = 5000 }\nsource =",
    ),
    (
        "bad_component_name",
        "[component.counter]",
        "[component.\"a.b\"]",
    ),
    (
        "link_that_is_ambiguous",
        "[provider.store]\nbackend = \"memory\"",
        "[component.store]\nsource = \"hello.wasm\"\n[provider.store]\nbackend = \"memory\"",
    ),
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
        "limits_too_low",
        "source =",
        "limits = { memory_bytes_max = 65536, core_instances_max = 2 }\nsource =",
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
    (
        "unknown_backend_of_a_caller",
        "\"http-server\"",
        "\"htp-server\"",
    ),
    (
        "unknown_setting",
        "\"memory\"",
        "\"redis\"\nconfig = { uri = \"x\" }",
    ),
    (
        "bad_reference_which_the_backend_is_not_told",
        "\"127.0.0.1:8080\"",
        "{ env = 7 }",
    ),
    (
        "bad_reference",
        "\"memory\"",
        "\"redis\"\nconfig = { url = { env = 7 } }",
    ),
    (
        "bad_reference_to_a_secret",
        "\"memory\"",
        "\"redis\"\nconfig = { url = { vault = \"v\", secret = \"\", looker = \"x\" } }",
    ),
    (
        "secret_of_no_provider",
        "\"memory\"",
        "\"redis\"\nconfig = { url = { vault = \"stor\", secret = \"url\" } }",
    ),
    (
        "secret_of_what_keeps_none",
        "\"memory\"",
        "\"redis\"\nconfig = { url = { vault = \"web\", secret = \"url\" } }",
    ),
    (
        "vault_that_needs_itself",
        "\"memory\"",
        "\"redis\"\nconfig = { url = { vault = \"one\", secret = \"url\" } }\n[provider.one]\nbackend = \"vault\"\nconfig = { key = { vault = \"one\", locker = \"l\", secret = \"key\" } }",
    ),
    (
        "vaults_that_need_each_other",
        "\"memory\"",
        "\"redis\"\n[provider.one]\nbackend = \"vault\"\nconfig = { keys = [{ env = \"A\" }, { vault = \"two\", secret = \"key\" }] }\n[provider.two]\nbackend = \"vault\"\nconfig = { key = { vault = \"one\", secret = \"key\" } }",
    ),
    ("missing_source", "\"counter.wasm\"", "\"nowhere.wasm\""),
    // Which may be one of its own.
    (
        "unknown_interface_of_a_component_that_cannot_be_read",
        "\"counter.wasm\"\nlinks = { \"wasi:keyvalue\" =",
        "\"nowhere.wasm\"\nlinks = { \"acme:prices\" =",
    ),
    (
        "unknown_interface",
        "\"wasi:keyvalue\" =",
        "\"wasi:keyvalu\" =",
    ),
    ("missing_provider", "= \"store\"", "= \"stoer\""),
    ("wrong_provider", "\"memory\"", "\"vault\""),
    (
        "link_to_a_component_without_the_export",
        "\"store\" }\n",
        "\"hello\" }\n[component.hello]\nsource = \"hello.wasm\"\n",
    ),
    ("linked_to_itself", "= \"store\"", "= \"counter\""),
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
        "missing_link_that_a_component_can_serve",
        "source = \"counter.wasm\"\nlinks = { \"wasi:keyvalue\" = \"store\" }",
        "source = \"shop.wasm\"\n[component.prices]\nsource = \"library.wasm\"",
    ),
    (
        "missing_link_that_nobody_can_serve",
        "source = \"counter.wasm\"\nlinks = { \"wasi:keyvalue\" = \"store\" }",
        "source = \"shop.wasm\"",
    ),
    (
        "target_that_is_not_there",
        "component = \"counter\"",
        "component = \"conter\"",
    ),
    (
        "target_without_the_export",
        "source = \"counter.wasm\"\nlinks = { \"wasi:keyvalue\" = \"store\" }",
        "source = \"library.wasm\"\n[component.hello]\nsource = \"hello.wasm\"",
    ),
    (
        "target_without_a_name",
        "component = \"counter\", host",
        "host",
    ),
    (
        "targets_that_are_no_tables",
        "[{ component = \"counter\", host = \"*\", path = \"/\" }]",
        "[7]",
    ),
    ("target_that_is_no_table", "calls = [", "calls = [7, "),
    (
        "no_targets",
        "calls = [{ component = \"counter\", host = \"*\", path = \"/\" }]",
        "",
    ),
    (
        "targets_of_a_backend_that_calls_nothing",
        "backend = \"memory\"",
        "backend = \"memory\"\ncalls = [{ component = \"counter\" }]",
    ),
    ("unknown_selection", "path = \"/\"", "paht = \"/\""),
    ("bad_selection", "path = \"/\"", "path = true"),
    (
        "same_selection_twice",
        "path = \"/\" }]",
        "path = \"/\" }, { path = \"/\", component = \"counter\", host = \"*\" }]",
    ),
    (
        "missing_setting",
        "config = { address = \"127.0.0.1:8080\" }\n",
        "",
    ),
    (
        "address_taken",
        "[provider.web]",
        "[provider.api]\nbackend = \"http-server\"\nconfig = { address = \"0.0.0.0:8080\" }\n\
         calls = [{ component = \"counter\" }]\n[provider.web]",
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

[provider.web]
backend = "http-server"
config = { address = true, port = 80 }
calls = [{ component = "nobody", when = "always" }]
"#;
    insta::assert_snapshot!(told(text));
    let problems = read(text, Scope::Lattice).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&problems).unwrap());
}

/// The manifest that most people have when they read this.
#[test]
fn a_trigger_is_refused_with_how_it_is_written_now() {
    let text = r#"
[app]
name = "counter"
[component.counter]
source = "hello.wasm"
[trigger.web]
backend = "http-server"
address = "127.0.0.1:8080"
request_timeout_ms = 5_000
nodes = ["a", "b"]
config = { "header timeout" = 0x10, tls = { key = { env = "KEY" } } }
routes = [{ host = "*", path = "/", component = "counter" }]
[[trigger.admin.routes]]
component = "counter"
[trigger.admin]
backend = "http-server"
address = "127.0.0.1:8081"
"#;
    insta::assert_snapshot!(told(text));
    let problems = read(text, Scope::Lattice).unwrap_err();
    // What it tells to write is right, with the parts that it replaces left out.
    let is_of_a_trigger = |line: &&str| !line.starts_with("[trigger.web]");
    let kept: Vec<&str> = text.lines().take_while(is_of_a_trigger).collect();
    let mut mended = kept.join("\n");
    for problem in problems.list() {
        let (_, instead) = problem.help.split_once('\n').unwrap();
        mended += &format!("\n{}", instead.replace("\"header timeout\" = 0x10, ", ""));
    }
    let mended = mended.replace(", tls = { key = { env = \"KEY\" } }", "");
    let app = read(&mended, Scope::Lattice).unwrap().app;
    assert_eq!(app.providers.len(), 2, "{mended}");
}

#[test]
fn a_trigger_that_is_no_table_is_refused_too() {
    assert!(told("trigger = 7").contains("[provider.<name>]"));
    assert!(told("[trigger]\nweb = 7").contains("[provider.web]"));
    assert!(told("[trigger.\"a b\"]").contains("[provider.\"a b\"]"));
}

/// It offers something, so that nobody has to be called; whom it calls is checked all the same.
#[test]
fn a_provider_that_offers_may_call_nobody_and_one_that_calls_may_be_linked() {
    let head = "[app]\nname = \"x\"\n[component.listener]\nsource = \"listener.wasm\"\n\
                links = { \"wasi:messaging\" = \"events\" }\n\
                [provider.events]\nbackend = \"broker\"\n";
    let app = read(head, Scope::Lattice).unwrap().app;
    let events = Name::new("events").unwrap();
    assert_eq!(app.providers[&events].calls, []);
    assert!(!app.providers[&events].goes_to_each_node());

    let calling = format!("{head}calls = [{{ component = \"listener\", topic = \"orders\" }}]\n");
    let app = read(&calling, Scope::Lattice).unwrap().app;
    let [target] = app.providers[&events].calls.as_slice() else {
        panic!("{:?}", app.providers);
    };
    assert_eq!(target.component.as_str(), "listener");
    assert_eq!(
        target.selection.0["topic"],
        ConfigValue::Text("orders".to_owned())
    );
    let unlinked = head.replace("\"events\" }", "\"other\" }");
    let unlinked = format!("{unlinked}[provider.other]\nbackend = \"broker\"\n");
    let told = told(&unlinked);
    assert!(
        told.contains("provider `events` calls no component"),
        "{told}"
    );
    assert!(!told.contains("provider `other`"), "{told}");
}

/// A backend may call components in several ways; each selection says in which.
#[test]
fn what_a_component_must_export_is_said_by_its_selection() {
    let head = "[app]\nname = \"x\"\n[component.listener]\nsource = \"listener.wasm\"\n\
                links = { \"wasi:messaging\" = \"events\" }\n\
                [component.hello]\nsource = \"hello.wasm\"\n\
                [provider.events]\nbackend = \"broker\"\n";
    let calls = |component: &str, topic: &str| {
        format!("{head}calls = [{{ component = \"{component}\", topic = \"{topic}\" }}]\n")
    };
    read(&calls("listener", "orders"), Scope::Lattice).unwrap();
    read(&calls("hello", "requests"), Scope::Lattice).unwrap();
    for (component, topic, missing) in [
        ("hello", "orders", "`wasi:messaging/incoming-handler`"),
        ("listener", "requests", "`wasi:http/handler`"),
    ] {
        let told = told(&calls(component, topic));
        assert!(told.contains(&format!("that serves {missing}")), "{told}");
    }
}

#[test]
fn components_may_be_linked_in_a_chain_but_not_in_a_circle() {
    let component = |name: &str, end: &str| {
        format!(
            "[component.{name}]\nsource = \"middleware.wasm\"\n\
             links = {{ \"wasi:http/handler\" = \"{end}\" }}\n"
        )
    };
    let head = "[app]\nname = \"x\"\n[component.hello]\nsource = \"hello.wasm\"\n";
    let chain = format!(
        "{head}{}{}{}",
        component("a", "b"),
        component("b", "c"),
        component("c", "hello")
    );
    read(&chain, Scope::Lattice).unwrap();
    let circle = format!(
        "{head}{}{}{}{}",
        component("a", "b"),
        component("b", "c"),
        component("c", "a"),
        component("outside", "a"),
    );
    insta::assert_snapshot!(told(&circle));
    let open = format!(
        "{head}{}[component.b]\nsource = \"middleware.wasm\"\n",
        component("a", "b")
    );
    // Neither itself nor the one that is linked to it.
    let help = "add `links = { \"wasi:http/handler\" = \"hello\" }`";
    let problems = read(&open, Scope::Lattice).unwrap_err();
    assert_eq!(problems.list()[0].help, help);
}

#[test]
fn two_may_share_an_address_on_different_nodes_but_not_in_one_process() {
    let text = format!("{HELLO}{}{}", web("a", &["a"]), web("b", &["b"]));
    read(&text, Scope::Lattice).unwrap();
    let problems = read(&text, Scope::SingleNode).unwrap_err();
    assert_eq!(problems.list().len(), 1);
    insta::assert_snapshot!(problems.to_string());
}

const HELLO: &str = "[app]\nname = \"shop\"\n[component.hello]\nsource = \"hello.wasm\"\n";

fn web(name: &str, nodes: &[&str]) -> String {
    let nodes = if nodes.is_empty() {
        String::new()
    } else {
        format!("nodes = {nodes:?}\n")
    };
    format!(
        "[provider.web-{name}]\nbackend = \"http-server\"\n{nodes}\
         config = {{ address = \"0.0.0.0:80\" }}\ncalls = [{{ component = \"hello\" }}]\n"
    )
}

#[test]
fn an_address_of_another_app_is_told_and_not_one_of_its_own_earlier_revision() {
    let ours = format!("{HELLO}{}", web("a", &[]));
    let earlier = read(&ours, Scope::Lattice).unwrap().app;
    let other = |nodes: &[&str]| -> DesiredApp {
        let text = format!("{HELLO}{}", web("b", nodes)).replace("\"shop\"", "\"bank\"");
        read(&text, Scope::Lattice).unwrap().app
    };
    let (anywhere, on_b) = (other(&[]), other(&["b"]));

    let check = |text: &str, others: &[&DesiredApp]| {
        let manifest = Manifest::read("app.toml", text).unwrap();
        manifest.check(&World, Scope::Lattice, others)
    };
    check(&ours, &[&earlier]).unwrap();
    let on_a = format!("{HELLO}{}", web("a", &["a"]));
    check(&on_a, &[&earlier, &on_b]).unwrap();

    let problems = check(&ours, &[&earlier, &anywhere]).unwrap_err();
    insta::assert_snapshot!(problems.to_string());
    // It goes to each node, also to theirs.
    let problems = check(&ours, &[&on_b]).unwrap_err();
    assert_eq!(problems.list().len(), 1);
}

#[test]
fn a_file_that_is_no_manifest_at_all_is_refused_quickly() {
    let huge = "x".repeat(2 * 1024 * 1024);
    assert!(told(&huge).contains("is this the right file?"));
    assert!(told("\0asm\u{1}").starts_with("error[syntax]"));
}

/// Pieces of manifests, in any order: most of these are TOML, and some nearly make sense.
fn pieces() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "[app]",
        "[component.a]",
        "[provider.a]",
        "[trigger.a]",
        "[[provider.a.calls]]",
        "[component.a.links]",
        "[[trigger.a.routes]]",
        "[component]",
        "[[component]]",
        "name = \"a\"",
        "source = \"middleware.wasm\"",
        "source = \"nowhere\"",
        "links = 7",
        "links = { \"wasi:http/handler\" = \"a\" }",
        "links = { \"\" = { \"\" = \"a\" } }",
        "\"wasi:keyvalue\" = { default = \"a\", b = 1 }",
        "backend = \"broker\"",
        "backend = \"http-server\"",
        "config = { address = \"0.0.0.0:1\" }",
        "config = []",
        "calls = [{ component = \"a\" }, 1]",
        "calls = {}",
        "routes = [1, {}]",
        "component = \"a\"",
        "replicas = 99999999999999999999",
        "nodes = [\"a\", \"a\", 1]",
        "labels = { a = \"\" }",
        "limits = { queue_max = -0x1 }",
        "environment = { \"\" = \"\\u0000\" }",
        "= ü",
        "\u{7}",
    ]);
    vec(piece, 0..24).prop_map(|pieces| pieces.join("\n"))
}

fn never_panics(text: &str) {
    for scope in [Scope::Lattice, Scope::SingleNode] {
        if let Err(problems) = read(text, scope) {
            assert!(!problems.list().is_empty());
            assert!(!problems.to_string().is_empty());
            serde_json::to_string(&problems).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_checked_or_refused(text in any::<String>()) {
        never_panics(&text);
    }

    #[test]
    fn any_manifest_is_checked_or_refused(text in pieces()) {
        never_panics(&text);
    }
}
