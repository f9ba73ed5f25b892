//! The web view of a lattice, in a browser and beside it.

use super::{
    browser::Browser,
    lattice::Lattice,
    running::{guest, request, write_manifest},
};
use wrt_test_servers::free_port;

/// A desktop and a phone, in CSS pixels.
const WIDTHS: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// Text that would be markup.
const LABEL: &str = "zone=<img src=x onerror=document.title='owned'>";

fn app(address: &str) -> String {
    let counter = guest("counter");
    format!(
        r#"
[app]
name = "counter"
[component.counter]
source = {counter:?}
nodes = ["a", "b"]
links = {{ "wasi:keyvalue" = "store" }}
[provider.store]
backend = "redis"
nodes = ["b"]
config = {{ url = {{ env = "REDIS_URL_OF_TEST" }} }}
[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{address}" }}
calls = [{{ component = "counter" }}]
"#
    )
}

/// Where the view is, as the log says.
fn shown_at(lattice: &Lattice) -> String {
    let log = lattice.log("a");
    let found = log
        .lines()
        .find_map(|line| line.strip_prefix("the lattice is shown at http://"));
    found
        .expect("a node that shows it says where")
        .trim_end_matches('/')
        .to_owned()
}

#[test]
fn it_shows_nodes_apps_and_calls_at_any_width_and_changes_nothing() {
    let lattice = Lattice::start_each(&[("a", &["--view", "0"]), ("b", &["--label", LABEL])], &[]);
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let manifest = write_manifest(lattice.folder(), &app(&address));
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    for _ in 0..3 {
        assert_eq!(request(&address, "POST", "/visits", "").0, 200);
    }
    let view = shown_at(&lattice);

    let (status, text) = request(&view, "GET", "/lattice.json", "");
    assert_eq!(status, 200);
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["node"], "a");
    let nodes = seen["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "{text}");
    assert_eq!(nodes[1]["state"], "alive");
    let actors = seen["apps"][0]["actors"].as_array().unwrap();
    assert_eq!(actors.len(), 3, "{text}");
    assert_eq!(actors[0]["links"][0]["to"], "provider/counter/store");
    assert_eq!(actors[2]["links"][0]["to"], "component/counter/counter");
    let increment = seen["operations"].as_array().unwrap().iter();
    let increment = increment.filter(|it| it["interface"] == "wasi:keyvalue");
    let calls: u64 = increment.filter_map(|it| it["calls"].as_u64()).sum();
    assert!(calls >= 3, "{text}");
    assert_eq!(request(&view, "POST", "/lattice.json", "").0, 405);
    assert_eq!(request(&view, "GET", "/elsewhere", "").0, 404);

    let mut browser = Browser::start();
    for (width, height) in WIDTHS {
        let window = browser.open(&format!("http://{view}/"));
        browser.sized(&window, width, height);
        // There is no body before the page has come.
        let shows = |text: &str| format!("!!document.body?.innerText.includes({text:?})");
        for text in [
            "as node a sees it",
            "provider/counter/store",
            "wasi:keyvalue \u{2192} provider/counter/store",
            "redis, on b",
            LABEL,
        ] {
            browser.waits_until(&window, &shows(text));
        }
        let is_as_wide = "document.documentElement.scrollWidth <= window.innerWidth";
        browser.waits_until(&window, is_as_wide);
        let inner = browser.says(&window, "window.innerWidth");
        assert_eq!(inner, width, "the window has the size that was asked for");
        // Nothing of a label is markup, and nothing comes from elsewhere.
        assert_eq!(browser.says(&window, "document.images.length"), 0);
        assert_eq!(browser.says(&window, "document.title"), "WRT: default");
        let elsewhere = "performance.getEntriesByType('resource')\
            .filter((it) => !it.name.startsWith(location.origin)).length";
        assert_eq!(browser.says(&window, elsewhere), 0);
        if width == WIDTHS[1].0 {
            lattice.kill("b");
            browser.waits_until(
                &window,
                "[...document.querySelectorAll('#nodes .card')]\
                .some((it) => it.innerText.startsWith('b') && it.innerText.includes('dead'))",
            );
            lattice.kill("a");
            browser.waits_until(&window, &shows("does not answer"));
            browser.waits_until(&window, &shows("provider/counter/store"));
        }
    }
}
