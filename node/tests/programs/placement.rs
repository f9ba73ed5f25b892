//! Three nodes with labels and capacities: what is asked of a place is kept, and told.

use super::{lattice::Lattice, running::write_manifest};

/// The cart goes to two zones, the search to a node without it, and the agent everywhere.
fn shop(replicas: usize) -> String {
    let redis = r#"backend = "redis"
config = { url = { env = "REDIS_URL_OF_TEST" } }"#;
    format!(
        r#"
[app]
name = "shop"
[provider.cart]
{redis}
replicas = {replicas}
spread = "zone"
room = {{ memory_bytes = 268435456, concurrency = 8 }}
[provider.search]
{redis}
apart_from = ["cart"]
[provider.agent]
{redis}
replicas = "every"
"#
    )
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// Where each actor runs, by what the nodes say.
fn runs(lattice: &Lattice, actor: &str) -> Vec<String> {
    let ps = json(&lattice.wrt_ok(&["ps", "--output", "json"]));
    let nodes = ps["nodes"].as_array().unwrap().iter();
    let has_it = |node: &&serde_json::Value| {
        let mut replicas = node["replicas"].as_array().unwrap().iter();
        replicas.any(|replica| replica["actor"] == actor)
    };
    let name = |node: &serde_json::Value| node["node"].as_str().unwrap().to_owned();
    nodes.filter(has_it).map(name).collect()
}

#[test]
fn a_place_is_found_by_zone_room_and_neighbours_and_explained() {
    let east = ["--label", "zone=east", "--capacity-memory", "512"];
    let west = ["--label", "zone=west", "--capacity-memory", "512"];
    let small = ["--label", "zone=west", "--capacity-memory", "200"];
    let lattice = Lattice::start_each(&[("a", &east), ("b", &west), ("c", &small)], &[]);
    let manifest = write_manifest(lattice.folder(), &shop(2));
    let manifest = manifest.display().to_string();
    lattice.wrt_ok(&["up", &manifest]);
    assert_eq!(runs(&lattice, "provider/shop/cart"), ["a", "b"]);
    assert_eq!(runs(&lattice, "provider/shop/search"), ["c"]);
    assert_eq!(runs(&lattice, "provider/shop/agent"), ["a", "b", "c"]);

    let text = lattice.wrt_ok(&["explain", "shop/cart"]);
    for part in [
        "provider/shop/cart has a place for 2 of 2 replicas",
        "spread over zone",
        "256 MiB of memory and 8 of concurrency",
        "has no room for 256 MiB of memory: 200 MiB of 200 MiB left",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let search = ["explain", "provider/shop/search", "--output", "json"];
    let search = json(&lattice.wrt_ok(&search));
    assert_eq!(
        (&search["wanted"], &search["placed"]),
        (&1.into(), &1.into())
    );
    let [a, b, c] = search["nodes"].as_array().unwrap().as_slice() else {
        panic!("{search}");
    };
    for node in [a, b] {
        assert_eq!(node["reasons"][0]["kind"], "apart", "{search}");
        assert_eq!(node["reasons"][0]["from"], "provider/shop/cart");
    }
    assert_eq!(
        (&c["placed"], &c["rank"]),
        (&true.into(), &0.into()),
        "{search}"
    );
    assert_eq!(c["runs"], "ready", "{search}");

    // No third node has the room: that is told by both, and nothing that was asked for is broken.
    write_manifest(lattice.folder(), &shop(3));
    let up = lattice.wrt(&["up", &manifest, "--timeout", "3"]);
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(3), "{told}");
    let short = "provider/shop/cart has 2 of 3 replicas: no room on 1 node";
    assert!(told.contains(short), "{told}");
    let text = lattice.wrt_ok(&["explain", "shop/cart"]);
    assert!(text.contains("offer 56 MiB of memory more"), "{text}");
    assert_eq!(runs(&lattice, "provider/shop/cart"), ["a", "b"]);
    assert_eq!(runs(&lattice, "provider/shop/search"), ["c"]);

    let nobody = lattice.wrt(&["explain", "shop/cord"]);
    let told = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert_eq!(nobody.status.code(), Some(1), "{told}");
    assert!(told.contains("did you mean provider/shop/cart?"), "{told}");
}
