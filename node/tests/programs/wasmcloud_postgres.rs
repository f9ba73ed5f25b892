//! Components that speak `wasmcloud:postgres`, on one node and on two.

use std::time::Duration;

use tempfile::TempDir;
use wrt_test_servers::{Deadline, PostgresServer};

use super::{
    lattice::{Lattice, address},
    running::{Running, guest, repository, request, write_manifest},
};

/// A machine as it is told: each type comes back as itself.
const WHOLE: &str = r#"id: PgValue::Int8(7)
name: PgValue::Varchar((None, [65, 100, 97, 39, 115]))
load: PgValue::Float8((7205759403792794, -56, -1))
price: PgValue::Numeric("1234.56")
seen: PgValue::TimestampTz(TimestampTz { timestamp: Timestamp { date: Date::Ymd((2026, 7, 1)), time: Time { hour: 12, min: 30, sec: 0, micro: 1 } }, offset: Offset::WesternHemisphereSecs(0) })
address: PgValue::Inet("10.0.0.1")
tags: PgValue::TextArray(["a,b", "\"c\""])
code: PgValue::Bytea([0, 255])
facts: PgValue::Jsonb("{\"cores\": 2}")
is_up: PgValue::Bool(true)"#;

/// One of which nothing is known but its name, which was changed.
const BARE: &str = "id: PgValue::Int8(8)
name: PgValue::Varchar((None, [98, 111, 98]))
load: PgValue::Null
price: PgValue::Null
seen: PgValue::Null
address: PgValue::Null
tags: PgValue::Null
code: PgValue::Null
facts: PgValue::Null
is_up: PgValue::Null";

/// What is written is read, what is prepared is run, and what fails says so and changes nothing.
fn keep(address: &str) {
    let made = Deadline::after(Duration::from_secs(30)).poll(|| {
        // On a lattice the database may be there later than the port.
        let made = request(address, "POST", "/tables", "");
        (made == (200, "made".to_owned())).then_some(())
    });
    let last = || request(address, "POST", "/tables", "");
    assert!(made.is_some(), "{:?}", last());
    for (method, path, status, body) in [
        ("PUT", "/7", 200, "id: PgValue::Int8(7)"),
        ("PUT", "/bare/8", 200, "id: PgValue::Int8(8)"),
        ("POST", "/rename/8/bob", 200, "2 times"),
        ("POST", "/rename/9/bob", 200, "0 times"),
        ("GET", "/9", 404, "there is no such machine"),
        ("GET", "/wrong/token", 404, "there is no such statement"),
    ] {
        assert_eq!(
            request(address, method, path, ""),
            (status, body.to_owned()),
            "{method} {path}"
        );
    }
    for (method, path, status, begins) in [
        ("PUT", "/7", 503, "23505: "),
        ("GET", "/wrong/query", 500, "query: 42P01: "),
        ("GET", "/wrong/params", 400, "params: 22P02: "),
        (
            "GET",
            "/wrong/batch",
            500,
            "query: 42P01: statement 2 of 2: ",
        ),
        ("GET", "/wrong/statement", 500, "statement: 42601: "),
    ] {
        let answer = request(address, method, path, "");
        assert!(
            answer.0 == status && answer.1.starts_with(begins),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(request(address, "GET", "/7", ""), (200, WHOLE.to_owned()));
    assert_eq!(request(address, "GET", "/8", ""), (200, BARE.to_owned()));
}

fn on_one_node(manifest: &str, url: &str) {
    let source = guest("wasmcloud_postgres").display().to_string();
    let manifest = repository("examples/wasmcloud-postgres").join(manifest);
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let manifest = manifest
        .replace(
            "../target/wasm32-wasip2/release/wasmcloud_postgres.wasm",
            &source,
        )
        .replace("postgres://postgres@127.0.0.1:5432/postgres", url);
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let manifest = manifest.display().to_string();
    let running = Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]);
    keep(&running.address("web"));
    running.stop();
}

#[test]
fn with_sqlite() {
    on_one_node("app.toml", "");
}

#[test]
fn with_postgres() {
    let postgres = PostgresServer::start().unwrap();
    on_one_node("postgres.toml", &postgres.url());
}

/// The component on one node, and its database's provider on the other.
#[test]
fn on_two_nodes() {
    let postgres = PostgresServer::start().unwrap();
    let lattice = Lattice::start(&["a", "b"]);
    let source = guest("wasmcloud_postgres");
    let url = postgres.url();
    let with_postgres = format!("backend = \"postgres\"\nconfig = {{ url = \"{url}\" }}");
    for database in ["backend = \"sqlite\"", &with_postgres] {
        let web = address();
        let manifest = format!(
            r#"
[app]
name = "machines"

[component.machines]
source = {source:?}
nodes = ["a"]
links = {{ "wrt:sql" = "database" }}

[provider.database]
{database}
nodes = ["b"]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "machines" }}]
"#
        );
        let manifest = write_manifest(lattice.folder(), &manifest);
        lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
        keep(&web);
        lattice.wrt_ok(&["down", "machines"]);
    }
}
