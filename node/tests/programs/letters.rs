//! `wrt letters`, for a component that gives up and one that is mended.

use serde_json::Value;

use super::{
    lattice::{Lattice, address},
    running::{guest, request, write_manifest},
};

/// The shop and its mail on one node, the broker on another. What an order takes is longer than its handler
/// may take, until that is mended.
fn orders(web: &str, takes_ms: u32) -> String {
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
backend = "memory"
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

#[test]
fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let (lattice, web) = (Lattice::start(&["a", "b"]), address());
    let up = |takes_ms| {
        let manifest = write_manifest(lattice.folder(), &orders(&web, takes_ms));
        lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
    };
    let list = || json(&lattice.wrt_ok(&["letters", "list", "orders", "mail", "--output", "json"]));
    up(60_000);
    assert_eq!(
        lattice
            .wrt_ok(&["letters", "list", "orders", "mail"])
            .trim(),
        "no dead letters"
    );
    for order in ["one", "two"] {
        let placed = request(&web, "POST", &format!("/orders/{order}"), "");
        assert_eq!(placed.0, 200, "{placed:?}");
    }
    let deadline = wrt_test_servers::Deadline::after(std::time::Duration::from_secs(30));
    let letters = deadline.poll(|| {
        let letters = list()["letters"].as_array().cloned().unwrap_or_default();
        (letters.len() == 2).then_some(letters)
    });
    let letters = letters.expect("both are given up");
    assert!(
        letters
            .iter()
            .all(|it| it["topic"] == "orders.placed" && it["attempts"] == 1)
    );
    assert!(
        letters.iter().all(|it| it["provider"] == "bus"),
        "{letters:?}"
    );
    let ids: Vec<_> = letters
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();

    let shown = lattice.wrt_ok(&["letters", "show", "orders", "mail", ids[0]]);
    for expected in [
        "orders.placed",
        "attempts  1",
        "placed-by: shop",
        "content-type: text/plain",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let ps = lattice.wrt_ok(&["ps", "orders"]);
    assert!(ps.contains("2 dead lettered"), "{ps}");
    let ps = json(&lattice.wrt_ok(&["ps", "orders", "--output", "json"]));
    let nodes = ps["nodes"].as_array().unwrap().iter();
    let replicas = nodes.flat_map(|node| node["replicas"].as_array().unwrap());
    let counted = replicas.filter_map(|it| it["counters"]["dead_lettered"].as_u64());
    assert_eq!(counted.sum::<u64>(), 2, "{ps}");

    // Nothing is mended: it takes too long once more, and stays.
    let replayed = lattice.wrt(&["letters", "replay", "orders", "mail", ids[0]]);
    assert_eq!(replayed.status.code(), Some(3), "{replayed:?}");
    assert_eq!(list()["letters"].as_array().unwrap().len(), 2);
    up(0);
    let replay = [
        "letters", "replay", "orders", "mail", ids[0], "none", "--output", "json",
    ];
    let replayed = lattice.wrt(&replay);
    assert_eq!(
        replayed.status.code(),
        Some(1),
        "one is not there: {replayed:?}"
    );
    let told = json(&String::from_utf8(replayed.stdout).unwrap());
    assert_eq!(
        (&told["handled"][0], &told["failed"][0]["id"]),
        (&ids[0].into(), &"none".into())
    );
    assert_eq!(
        request(&web, "GET", "/handled/mail", "").1.lines().count(),
        1
    );
    let dropped = lattice.wrt_ok(&["letters", "drop", "orders", "mail", "--all"]);
    assert_eq!(dropped.trim(), format!("dropped: {}", ids[1]));
    assert!(list()["letters"].as_array().unwrap().is_empty());

    for (arguments, code, told) in [
        (
            &["list", "orders", "shop"][..],
            1,
            "keeps dead letters of a component shop",
        ),
        (&["list", "others", "mail"], 1, "no app others"),
        (
            &["show", "orders", "mail", ids[1]],
            1,
            "there is no dead letter",
        ),
        (&["replay", "orders", "mail"], 2, "required"),
    ] {
        let arguments: Vec<_> = ["letters"].iter().chain(arguments).copied().collect();
        let refused = lattice.wrt(&arguments);
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(text.contains(told), "{told}: {text}");
    }
}
