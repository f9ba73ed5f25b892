//! Two apps with one service behind them.

use tempfile::TempDir;
use wrt_test_servers::{NatsServer, RedisServer};

use super::running::{Running, guest, request, write_manifest};

/// The counter of examples, as an app of that name.
fn counter(name: &str, store: &str) -> String {
    format!(
        r#"
[app]
name = "{name}"

[component.counter]
source = "{source}"
links = {{ "wasi:keyvalue" = "store" }}

[provider.store]
{store}

[provider.web]
backend = "http-server"
config = {{ address = "127.0.0.1:0" }}
calls = [{{ component = "counter" }}]
"#,
        source = guest("counter").display()
    )
}

/// What the app of that name counts in the end, of as many visits as are named.
fn count(name: &str, store: &str, visits: u32) -> String {
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &counter(name, store));
    let app = Running::start(&[&manifest.display().to_string()]);
    let web = app.address("web");
    let mut last = String::new();
    for _visit in 0..visits {
        let (status, body) = request(&web, "POST", "/visits", "");
        assert_eq!(status, 200, "{body}");
        last = body;
    }
    app.stop();
    last.trim().to_owned()
}

#[test]
fn two_apps_find_their_own_and_share_what_they_ask_to_share() {
    let (redis, nats) = (RedisServer::start().unwrap(), NatsServer::start().unwrap());
    for (backend, url, prefix) in [
        ("redis", redis.url(), "prefix"),
        ("nats", nats.url(), "bucket_prefix"),
    ] {
        let store =
            |more: &str| format!("backend = \"{backend}\"\nconfig = {{ url = \"{url}\"{more} }}");
        let own = store("");
        assert_eq!(count("shop", &own, 3), "3", "{backend}");
        assert_eq!(count("shop-x", &own, 2), "2", "{backend}");
        assert_eq!(count("shop", &own, 1), "4", "{backend}");
        let shared = store(&format!(", {prefix} = \"ours\""));
        assert_eq!(count("one", &shared, 2), "2", "{backend}");
        assert_eq!(count("two", &shared, 1), "3", "{backend}");
    }
}
