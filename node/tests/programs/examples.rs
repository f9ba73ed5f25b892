//! Each example, run by the real program, as its README says.

use std::time::Duration;

use http::Request;
use hyper::body::Bytes;
use tempfile::TempDir;
use wrt_test_servers::{
    Deadline, KafkaServer, MongoDbServer, NatsServer, PostgresServer, RedisServer,
};

use super::client::{Version, pattern, send};
use super::running::{Running, guest, output, repository, request, write_manifest, wrt_node};

fn manifest(example: &str) -> String {
    repository(&format!("examples/{example}/app.toml"))
        .display()
        .to_string()
}

pub fn run_app(example: &str, guest_name: &str) -> (Running, String) {
    guest(guest_name);
    let running = Running::start(&[&manifest(example), "--address", "web=127.0.0.1:0"]);
    let address = running.address("web");
    (running, address)
}

pub fn run_component(guest_name: &str, more: &[&str]) -> (Running, String) {
    let guest = guest(guest_name);
    let source = guest.display().to_string();
    let mut arguments = vec![source.as_str(), "--address", "127.0.0.1:0"];
    arguments.extend(more);
    let running = Running::start(&arguments);
    let address = running.address("http-server");
    (running, address)
}

#[test]
fn hello_http() {
    for (running, address) in [
        run_component("hello_http", &[]),
        run_app("hello-http", "hello_http"),
    ] {
        let (status, body) = request(&address, "GET", "/", "");
        assert_eq!((status, body.trim()), (200, "Hello from WRT"));
        running.stop();
    }
}

#[test]
fn hello_http_p3() {
    for (running, address) in [
        run_component("hello_http_p3", &[]),
        run_app("hello-http-p3", "hello_http_p3"),
    ] {
        let (status, body) = request(&address, "GET", "/", "");
        assert_eq!((status, body.trim()), (200, "Hello from WRT"));
        running.stop();
    }
}

/// What the steps do, on every way to the guest, is in the tests of `chaos-tests`.
#[test]
fn scripted() {
    for (example, guest_name) in [("scripted", "scripted"), ("scripted-p3", "scripted_p3")] {
        let (running, address) = run_app(example, guest_name);
        let answer = request(&address, "GET", "/status:201/head/write:3/finish", "");
        assert_eq!(answer, (201, "abc".to_owned()), "{example}");
        running.stop();
    }
}

#[test]
fn counter_with_memory() {
    for (running, address) in [run_component("counter", &[]), run_app("counter", "counter")] {
        for expected in ["1", "2", "3"] {
            let (status, body) = request(&address, "POST", "/visits", "");
            assert_eq!((status, body.as_str()), (200, expected));
        }
        assert_eq!(request(&address, "GET", "/visits", "").1, "3");
        assert_eq!(request(&address, "GET", "/other", "").1, "0");
        running.stop();
    }
}

/// Sends JSON, and gives back the status and the text.
fn send_json(address: &str, method: &str, path: &str, json: &'static str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    let answer = send(
        Version::Http1,
        address,
        request,
        Bytes::from_static(json.as_bytes()),
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    (answer.status.as_u16(), text)
}

#[test]
fn notes() {
    for (running, address) in [run_component("notes", &[]), run_app("notes", "notes")] {
        let note = r#"{"text":"two bottles","tags":[]}"#;
        let kept = send_json(&address, "PUT", "/notes/milk", note);
        assert_eq!(kept, (201, note.to_owned()));
        assert_eq!(
            request(&address, "GET", "/notes/milk", ""),
            (200, note.to_owned())
        );
        assert_eq!(
            request(&address, "GET", "/size", "").1,
            r#"{"notes":1,"words":2}"#
        );
        let (status, told) = send_json(&address, "PUT", "/notes/milk", "{");
        assert!(status == 400 && told.contains("line 1"), "{status} {told}");
        running.stop();
    }
}

/// Its manifest has no link for what it says of itself.
#[test]
fn sums_p3() {
    for (running, address) in [run_component("sums_p3", &[]), run_app("sums-p3", "sums_p3")] {
        let sum = send_json(&address, "POST", "/sums", "[1,2,3]");
        assert_eq!(sum, (200, "6".to_owned()));
        running.stop();
    }
}

#[test]
fn keyvalue_draft() {
    let (running, address) = run_app("keyvalue-draft", "keyvalue_draft");
    for (method, path, expected) in [
        ("POST", "/a", "1"),
        ("POST", "/a", "2"),
        ("POST", "/b", "1"),
        ("GET", "/a", "2"),
        ("GET", "/never", "0"),
    ] {
        let answer = request(&address, method, path, "");
        assert_eq!(answer, (200, expected.to_owned()), "{method} {path}");
    }
    let (_, keys) = request(&address, "GET", "/", "");
    assert_eq!(
        keys.lines().collect::<std::collections::BTreeSet<_>>(),
        ["a", "b"].into()
    );
    running.stop();
}

#[test]
fn settings() {
    let (running, address) = run_app("settings", "settings");
    for (path, expected) in [
        ("/greeting", (200, "hello")),
        ("/never", (404, "not set")),
        ("/", (200, "colour=green\ngreeting=hello\n")),
    ] {
        let (status, body) = request(&address, "GET", path, "");
        assert_eq!((status, body.as_str()), expected, "{path}");
    }
    running.wait_for("asked for \"greeting\"");
    running.wait_for("\"never\" is not set");
    running.stop();
}

/// What was placed is handled by each of those who want to know, and a question gets its reply.
fn orders(running: Running) {
    let address = running.address("web");
    for order in ["one", "two", "three"] {
        let placed = request(&address, "POST", &format!("/orders/{order}"), "");
        assert_eq!(placed, (200, format!("placed {order}")));
    }
    for who in ["mail", "stock"] {
        let path = format!("/handled/{who}");
        let all = (200, "one\nthree\ntwo".to_owned());
        let handled = Deadline::after(Duration::from_secs(30))
            .poll(|| (request(&address, "GET", &path, "") == all).then_some(()));
        assert!(
            handled.is_some(),
            "{who}: {:?}",
            request(&address, "GET", &path, "")
        );
    }
    let price = request(&address, "GET", "/prices/apple", "");
    assert_eq!(price, (200, "apple: 50 cents".to_owned()));
    running.stop();
}

#[test]
fn messaging_in_memory() {
    orders(run_app("messaging", "messaging").0);
}

#[test]
fn messaging_with_nats() {
    guest("messaging");
    let nats = NatsServer::start().unwrap();
    let manifest = repository("examples/messaging/nats.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let source = guest("messaging").display().to_string();
    let manifest = manifest
        .replace("../target/wasm32-wasip2/release/messaging.wasm", &source)
        .replace("nats://127.0.0.1:4222", &nats.url());
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let manifest = manifest.display().to_string();
    // No stream holds the orders yet: what to do about it is told.
    let started = Running::launch(&["run", &manifest, "--address", "web=127.0.0.1:0"]);
    started.wait_for("no stream holds the topic orders.*");
    drop(started);
    let made = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = async_nats::connect(nats.url()).await?;
        let stream = async_nats::jetstream::stream::Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            ..Default::default()
        };
        let jetstream = async_nats::jetstream::new(client);
        anyhow::Ok(jetstream.create_stream(stream).await.map(drop)?)
    });
    made.unwrap();
    orders(Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]));
}

/// Objects come back byte for byte, whole and in part, and get elsewhere.
fn files(running: Running) {
    let address = running.address("web");
    let ask = |method: &str, path: &str, header: Option<(&str, &str)>, body: &Bytes| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = send(Version::Http1, &address, request, body.clone());
        (answer.status.as_u16(), answer.body)
    };
    let none = Bytes::new();
    let missing = ask("PUT", "/box/a", None, &pattern(10)).0;
    assert_eq!(missing, 404, "there is no such container yet");
    assert_eq!(ask("PUT", "/box", None, &none).0, 200);
    for size in [0, 64 * 1024, 1_000_000, 5_000_000] {
        let sent = pattern(size);
        let stored = ask("PUT", "/box/dir/a%20b", None, &sent);
        let told = format!("{size} bytes\n").into();
        assert_eq!(stored, (200, told));
        let (status, read) = ask("GET", "/box/dir/a%20b", None, &none);
        assert!(status == 200 && read == sent, "{size} bytes: {status}");
    }
    let part = ask(
        "GET",
        "/box/dir/a%20b",
        Some(("range", "bytes=99-400000")),
        &none,
    );
    assert!(part == (206, pattern(5_000_000).slice(99..=400_000)));
    let behind = ask(
        "GET",
        "/box/dir/a%20b",
        Some(("range", "bytes=5000000-")),
        &none,
    );
    assert_eq!(behind.0, 416);
    let moves = [("COPY", "/box/copy"), ("MOVE", "/box/moved")];
    for (method, to) in moves {
        let moved = ask(method, "/box/dir/a%20b", Some(("destination", to)), &none);
        assert_eq!(moved.0, 200, "{method}: {moved:?}");
    }
    let (_, names) = ask("GET", "/box", None, &none);
    let mut names: Vec<_> = names.split(|byte| *byte == b'\n').collect();
    names.sort_unstable();
    assert_eq!(names, [&b""[..], b"copy", b"moved"]);
    assert!(ask("GET", "/box/moved", None, &none).1 == pattern(5_000_000));
    assert_eq!(ask("DELETE", "/box/moved", None, &none).0, 200);
    assert_eq!(ask("GET", "/box/moved", None, &none).0, 404);
    assert_eq!(ask("DELETE", "/box", None, &none).0, 200);
    assert_eq!(ask("GET", "/box", None, &none).0, 404);
    running.stop();
}

#[test]
fn blobstore_in_memory() {
    files(run_app("blobstore", "blobstore").0);
}

/// The example with its store in a server.
fn files_in(manifest: &str, usual: &str, url: &str) {
    let manifest = repository(&format!("examples/blobstore/{manifest}"));
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let source = guest("blobstore").display().to_string();
    let manifest = manifest
        .replace("../target/wasm32-wasip2/release/blobstore.wasm", &source)
        .replace(usual, url);
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let manifest = manifest.display().to_string();
    files(Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]));
}

#[test]
fn blobstore_with_nats() {
    let nats = NatsServer::start().unwrap();
    files_in("nats.toml", "nats://127.0.0.1:4222", &nats.url());
}

#[test]
fn blobstore_with_mongodb() {
    let mongodb = MongoDbServer::start().unwrap();
    files_in("mongodb.toml", "mongodb://127.0.0.1:27017", &mongodb.url());
}

/// What is moved is moved once, and what cannot be is not.
fn accounts(running: Running) {
    let address = running.address("web");
    for (method, path, expected) in [
        ("PUT", "/ada/100", (200, "100\n")),
        ("PUT", "/bob/5", (200, "5\n")),
        ("POST", "/ada/bob/30", (200, "moved 30\n")),
        ("GET", "/ada", (200, "70\n")),
        (
            "POST",
            "/ada/bob/71",
            (409, "there is not enough in the account"),
        ),
        ("POST", "/ada/nobody/1", (404, "there is no such account")),
        (
            "GET",
            "/ada'%20or%20'1'='1",
            (404, "there is no such account"),
        ),
        ("GET", "/", (200, "ada: 70\nbob: 35\n")),
    ] {
        let (status, body) = request(&address, method, path, "");
        assert_eq!((status, body.as_str()), expected, "{method} {path}");
    }
    let (status, body) = request(&address, "PUT", "/ada/1", "");
    assert!(status == 409 && body.starts_with("23505: "), "{body}");
    running.stop();
}

#[test]
fn sql_with_sqlite() {
    accounts(run_app("sql", "sql").0);
}

#[test]
fn sql_with_postgres() {
    let postgres = PostgresServer::start().unwrap();
    let manifest = repository("examples/sql/postgres.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let source = guest("sql").display().to_string();
    let manifest = manifest
        .replace("../target/wasm32-wasip2/release/sql.wasm", &source)
        .replace(
            "postgres://postgres@127.0.0.1:5432/postgres",
            &postgres.url(),
        );
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let manifest = manifest.display().to_string();
    accounts(Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]));
}

#[test]
fn messaging_with_kafka() {
    let source = guest("messaging").display().to_string();
    let kafka = KafkaServer::start().unwrap();
    let manifest = repository("examples/messaging/kafka.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let manifest = manifest
        .replace("../target/wasm32-wasip2/release/messaging.wasm", &source)
        .replace("127.0.0.1:9092", &kafka.url());
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let manifest = manifest.display().to_string();
    orders(Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]));
}

#[test]
fn probe_has_the_environment_of_its_manifest() {
    let (running, address) = run_app("probe", "probe");
    let (status, body) = request(&address, "GET", "/env", "");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("GREETING=hi"), "{body}");
    assert!(
        !body.contains("PATH="),
        "the node's own environment is none of the guest's: {body}"
    );
    running.stop();
}

#[test]
fn an_environment_can_be_given_to_a_component() {
    let (running, address) = run_component("probe", &["--env", "WHO=me"]);
    let (_, body) = request(&address, "GET", "/env", "");
    assert!(body.contains("WHO=me"), "{body}");
    running.stop();
}

#[test]
fn an_artefact_runs_and_one_of_another_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let artefact = folder.path().join("hello.cwasm");
    let compiled = output(
        wrt_node(folder.path())
            .arg("compile")
            .arg(guest("hello_http"))
            .arg("-o")
            .arg(&artefact),
    );
    assert!(compiled.status.success(), "{compiled:?}");
    let path = artefact.display().to_string();
    let running = Running::start(&[&path, "--address", "127.0.0.1:0"]);
    assert_eq!(
        request(&running.address("http-server"), "GET", "/", "").0,
        200
    );
    running.stop();

    // The version is the first text of the header, after the magic and the header's length.
    let mut bytes = std::fs::read(&artefact).unwrap();
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    assert_eq!(&bytes[13..13 + version.len()], version);
    bytes[13] = b'9';
    std::fs::write(&artefact, bytes).unwrap();
    let refused = output(wrt_node(folder.path()).args(["run", &path]));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("was made by wrt 9.1.0 and this is wrt 0.1.0"),
        "{told}"
    );
    assert!(told.contains("wrt-node compile"), "{told}");
}

#[test]
fn a_wrong_manifest_is_told_with_its_lines_and_starts_nothing() {
    let folder = TempDir::new().unwrap();
    let source = guest("counter").display().to_string();
    let text = format!(
        "[app]\nname = \"x\"\n\n[component.counter]\nsource = \"{source}\"\n\n[provider.web]\n\
         backend = \"http-server\"\nconfig = {{ address = \"127.0.0.1:0\" }}\ncalls = [{{ component = \"nobody\" }}]\n"
    );
    write_manifest(folder.path(), &text);
    let refused = output(wrt_node(folder.path()).args(["run", "app.toml"]));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("error[missing-link]") && told.contains("app.toml:4:"),
        "{told}"
    );
    assert!(
        told.contains("error[unknown-component]") && told.contains("app.toml:10:"),
        "{told}"
    );
    assert!(told.contains("2 problems; nothing was started"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colours in a pipe: {told:?}");

    let refused = output(wrt_node(folder.path()).args(["run", "app.toml", "--output", "json"]));
    let told: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(told["problems"][0]["line"], 4);
}

#[test]
fn a_port_that_is_taken_ends_run_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let guest = guest("hello_http");
    let refused = output(
        wrt_node(folder.path())
            .arg("run")
            .arg(guest)
            .args(["--address", &address]),
    );
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("cannot listen on {address}")),
        "{told}"
    );
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    let folder = TempDir::new().unwrap();
    assert_eq!(
        output(wrt_node(folder.path()).args(["run"])).status.code(),
        Some(2)
    );
    let source = guest("hello_http").display().to_string();
    let wrong = output(wrt_node(folder.path()).args(["run", &source, "--address", "here"]));
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

/// A store that is away when its app starts is waited for, and used when it comes.
#[test]
fn a_service_that_is_away_is_waited_for() {
    let redis = RedisServer::start().unwrap();
    redis.kill().unwrap();
    let folder = TempDir::new().unwrap();
    let text = format!(
        "[app]\nname = \"x\"\n[component.counter]\nsource = \"{}\"\n\
         links = {{ \"wasi:keyvalue\" = \"store\" }}\n\
         [provider.store]\nbackend = \"redis\"\nconfig = {{ url = \"{}\" }}\n\
         [provider.web]\nbackend = \"http-server\"\nconfig = {{ address = \"127.0.0.1:0\" }}\n\
         calls = [{{ component = \"counter\" }}]\n",
        guest("counter").display(),
        redis.url()
    );
    let manifest = write_manifest(folder.path(), &text).display().to_string();
    let started = Running::launch(&["run", &manifest]);
    started.wait_for("is tried again");
    redis.restart().unwrap();
    started.wait_for("is ready");
    assert_eq!(
        request(&started.address("web"), "POST", "/x", ""),
        (200, "1".to_owned())
    );
    started.stop();
}
