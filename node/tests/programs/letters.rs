//! `wrt letters`, for a component that gives up and one that is mended.

use std::time::Duration;

use serde_json::Value;
use wrt_test_servers::{Deadline, KafkaServer};

use super::{
    lattice::{Lattice, address},
    output::agrees,
    running::{guest, request, write_manifest},
};

const MEMORY: &str = "backend = \"memory\"";

/// The shop and its mail on one node, the broker on another. What an order takes is longer than its handler
/// may take, until that is mended.
fn orders(bus: &str, web: &str, takes_ms: u32) -> String {
    let source = guest("messaging");
    let links = r#"links = { "wasi:messaging" = "bus", "wasi:keyvalue" = "store" }"#;
    format!(
        r#"
[app]
name = "orders"

[component.shop]
source = {source:?}
nodes = ["a"]
{links}

[component.mail]
source = {source:?}
nodes = ["a"]
environment = {{ NAME = "mail", TAKES_MS = "{takes_ms}" }}
{links}

[provider.bus]
{bus}
nodes = ["b"]
calls = [{{ component = "mail", topics = ["orders.*"], attempts_max = 1, handler_timeout_ms = 1000 }}]

[provider.store]
backend = "memory"
nodes = ["a"]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "shop" }}]
"#
    )
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The app on its lattice.
struct Orders {
    lattice: Lattice,
    bus: String,
    web: String,
}

impl Orders {
    fn by(bus: String) -> Self {
        Self {
            lattice: Lattice::start(&["a", "b"]),
            bus,
            web: address(),
        }
    }

    fn up(&self, takes_ms: u32) {
        let manifest = orders(&self.bus, &self.web, takes_ms);
        let manifest = write_manifest(self.lattice.folder(), &manifest);
        self.lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
    }

    fn list(&self) -> Vec<Value> {
        let list = ["letters", "list", "orders", "mail", "--output", "json"];
        let listed = self.lattice.wrt_ok(&list);
        agrees("`wrt letters list`", &listed);
        let listed = json(&listed);
        listed["letters"].as_array().unwrap().clone()
    }

    /// Two orders are placed and given up; the ids of their letters.
    fn give_up_two(&self) -> Vec<String> {
        self.place("one");
        self.place("two");
        let deadline = Deadline::after(Duration::from_secs(30));
        let letters = deadline.poll(|| Some(self.list()).filter(|letters| letters.len() == 2));
        let letters = letters.expect("both are given up");
        let is_told = |it: &Value| {
            it["topic"] == "orders.placed" && it["attempts"] == 1 && it["provider"] == "bus"
        };
        assert!(letters.iter().all(is_told), "{letters:?}");
        let ids = letters.iter().map(|it| it["id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }

    fn place(&self, order: &str) {
        let placed = request(&self.web, "POST", &format!("/orders/{order}"), "");
        assert_eq!(placed.0, 200, "{placed:?}");
    }

    /// The mail has handled these, and no others.
    fn are_handled(&self, orders: &[&str]) {
        let handled = || request(&self.web, "GET", "/handled/mail", "").1;
        let deadline = Deadline::after(Duration::from_secs(30));
        let all = deadline.poll(|| (handled().lines().count() >= orders.len()).then_some(()));
        let lines = handled();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!((all, lines.as_slice()), (Some(()), orders));
    }

    fn are_shown(&self, ids: &[String]) {
        let shown = ["letters", "show", "orders", "mail", &ids[0]];
        let shown = self.lattice.wrt_ok(&shown);
        for expected in [
            "orders.placed",
            "attempts  1",
            "placed-by: shop",
            "content-type: text/plain",
        ] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        let shown = [
            "letters", "show", "orders", "mail", &ids[0], "--output", "json",
        ];
        agrees("`wrt letters show`", &self.lattice.wrt_ok(&shown));
        let ps = self.lattice.wrt_ok(&["ps", "orders"]);
        assert!(ps.contains("2 dead lettered"), "{ps}");
        let ps = json(&self.lattice.wrt_ok(&["ps", "orders", "--output", "json"]));
        let nodes = ps["nodes"].as_array().unwrap().iter();
        let replicas = nodes.flat_map(|node| node["replicas"].as_array().unwrap());
        let counted = replicas.filter_map(|it| it["counters"]["dead_lettered"].as_u64());
        assert_eq!(counted.sum::<u64>(), 2, "{ps}");
    }

    fn is_refused(&self, arguments: &[&str], code: i32, told: &str) {
        let refused = self.lattice.wrt(arguments);
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let orders = Orders::by(MEMORY.to_owned());
    let lattice = &orders.lattice;
    orders.up(60_000);
    let none = lattice.wrt_ok(&["letters", "list", "orders", "mail"]);
    assert_eq!(none.trim(), "no dead letters");
    let ids = orders.give_up_two();
    orders.are_shown(&ids);

    // Nothing is mended: it takes too long once more, and stays.
    let replay = ["letters", "replay", "orders", "mail", &ids[0]];
    orders.is_refused(&replay, 3, "did not end");
    assert_eq!(orders.list().len(), 2);
    orders.up(0);
    let replay = [&replay[..], &["none", "--output", "json"]].concat();
    let replayed = lattice.wrt(&replay);
    assert_eq!(
        replayed.status.code(),
        Some(1),
        "one is not there: {replayed:?}"
    );
    let told = String::from_utf8(replayed.stdout).unwrap();
    agrees("`wrt letters replay`", &told);
    let told = json(&told);
    assert_eq!(told["handled"][0], ids[0].as_str());
    assert_eq!(told["failed"][0]["id"], "none");
    let handled = request(&orders.web, "GET", "/handled/mail", "").1;
    assert_eq!(handled.lines().count(), 1, "{handled}");
    let none = [
        "letters", "drop", "orders", "mail", "none", "--output", "json",
    ];
    let none = String::from_utf8(lattice.wrt(&none).stdout).unwrap();
    agrees("`wrt letters drop`", &none);
    let dropped = lattice.wrt_ok(&["letters", "drop", "orders", "mail", "--all"]);
    assert_eq!(dropped.trim(), format!("dropped: {}", ids[1]));
    assert!(orders.list().is_empty());

    let letters = |rest: &[&'static str]| [&["letters"], rest].concat();
    orders.is_refused(
        &letters(&["list", "orders", "shop"]),
        1,
        "keeps dead letters of a component shop",
    );
    orders.is_refused(&letters(&["list", "others", "mail"]), 1, "no app others");
    orders.is_refused(
        &letters(&["show", "orders", "mail", "0"]),
        1,
        "there is no dead letter",
    );
    orders.is_refused(&letters(&["replay", "orders", "mail"]), 2, "required");

    // What is kept goes with the app, where that is asked for.
    let purge = ["down", "orders", "--purge"];
    let purged = [&purge[..], &["--output", "json"]].concat();
    assert_eq!(json(&lattice.wrt_ok(&purged))["purged"], true);
    orders.is_refused(&purge, 1, "only what runs can be purged");
}

/// What a broker keeps for an app outlives it, and goes with it where that is asked for.
#[test]
fn a_broker_keeps_a_place_and_letters_until_they_are_purged() {
    let kafka = KafkaServer::start().unwrap();
    let orders = Orders::by(format!(
        "backend = \"kafka\"\nconfig = {{ brokers = {:?}, create_topics = [\"orders.*\"] }}",
        kafka.url()
    ));
    orders.up(60_000);
    orders.give_up_two();
    orders.lattice.wrt_ok(&["down", "orders"]);
    orders.up(0);
    assert_eq!(orders.list().len(), 2, "they are kept");
    orders.place("three");
    // Of those before it none comes again.
    orders.are_handled(&["three"]);
    let purged = orders.lattice.wrt_ok(&["down", "orders", "--purge"]);
    assert!(purged.contains("is down"), "{purged}");
    orders.up(0);
    assert!(orders.list().is_empty(), "they are gone");
    orders.are_handled(&["one", "three", "two"]);
}
