//! A component in front of another one: `examples/gate`, and who stands behind it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, request::Builder};
use tempfile::TempDir;

use super::{
    client::{Answer, Asking, Version, pattern, send},
    lattice::{Lattice, address},
    running::{Running, guest, repository, write_manifest},
};

const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// Far more than a body that travels inside its message.
const LARGE_BYTES: usize = 8 << 20;

fn with_token(method: &str, path: &str) -> Builder {
    let request = Request::builder().method(method).uri(path);
    request.header("authorization", "Bearer open-sesame")
}

fn get(version: Version, address: &str, path: &str) -> (u16, String) {
    let answer = send(version, address, with_token("GET", path), Bytes::new());
    (answer.status.as_u16(), answer.text())
}

fn refuses_whoever_has_no_token(address: &str) {
    for version in VERSIONS {
        let answer = send(version, address, Request::get("/"), Bytes::new());
        assert_eq!(answer.status, 401, "{version:?}");
        assert_eq!(answer.text(), "no token, or a wrong one\n");
    }
}

fn bodies_go_through(address: &str) {
    for version in VERSIONS {
        for length_bytes in [0, 3, LARGE_BYTES] {
            let sent = pattern(length_bytes);
            let request = with_token("POST", "/echo");
            let answer = send(version, address, request, sent.clone());
            assert_eq!(answer.status, 200, "{version:?} {length_bytes}");
            assert!(answer.body == sent, "{version:?}: other bytes came back");
        }
    }
}

fn hello_within(patience: Duration, version: Version, address: &str) -> Option<Answer> {
    let asking = Asking::start(version, address, with_token("GET", "/hello"));
    asking.answer_within(patience)
}

/// The probe behind the gate serves one at a time: while somebody waits there, nobody else gets in.
fn somebody_waits(version: Version, address: &str) -> Asking {
    let waits = Asking::start(version, address, with_token("POST", "/sleep/60000"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while hello_within(Duration::from_millis(300), version, address).is_some() {
        assert!(Instant::now() < deadline, "the probe is never busy");
    }
    waits
}

fn whoever_leaves_makes_room(address: &str) {
    for version in VERSIONS {
        somebody_waits(version, address).leave();
        let answer = hello_within(Duration::from_secs(10), version, address);
        let answer = answer.expect("the probe is free again");
        assert_eq!(answer.status, 200, "{version:?}: {}", answer.text());
    }
}

#[test]
fn the_example_lets_in_who_has_the_token() {
    guest("gate");
    guest("hello_http_p3");
    let manifest = repository("examples/gate/app.toml").display().to_string();
    let running = Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]);
    let address = running.address("web");
    refuses_whoever_has_no_token(&address);
    for version in VERSIONS {
        let expected = (200, "Hello from WRT\n".to_owned());
        assert_eq!(get(version, &address, "/"), expected, "{version:?}");
    }
    bodies_go_through(&address);
    running.stop();
}

/// The gate, and `behind` it; `gate`, `last` and `web` are what each section has besides.
fn manifest(behind: &str, [gate, last, web]: [&str; 3], address: &str) -> String {
    format!(
        r#"
[app]
name = "gate"

[component.gate]
source = {gate_source:?}
environment = {{ TOKEN = "open-sesame" }}
links = {{ "wasi:http/handler" = "last" }}
{gate}

[component.last]
source = {last_source:?}
{last}

[provider.web]
backend = "http-server"
config = {{ address = "{address}", request_timeout_ms = 10000 }}
calls = [{{ component = "gate" }}]
{web}
"#,
        gate_source = guest("gate"),
        last_source = guest(behind),
    )
}

const ONE_AT_A_TIME: &str = "limits = { concurrency_max = 1 }";

fn faults_are_told(address: &str) {
    for version in VERSIONS {
        let crashed = "ErrorCode::InternalError(Some(\"crashed\"))\n";
        let expected = (502, crashed.to_owned());
        assert_eq!(get(version, address, "/trap"), expected, "{version:?}");
        assert_eq!(get(version, address, "/hello").0, 200, "both live on");
    }
}

#[test]
fn a_component_of_0_2_may_stand_behind_one_of_0_3() {
    let folder = TempDir::new().unwrap();
    let text = manifest("probe", ["", ONE_AT_A_TIME, ""], "127.0.0.1:0");
    let manifest = write_manifest(folder.path(), &text).display().to_string();
    let running = Running::start(&[&manifest]);
    let address = running.address("web");
    let (status, headers) = get(Version::Http1, &address, "/headers");
    assert_eq!(status, 200);
    assert!(headers.contains("x-admitted-by: gate\n"), "{headers}");
    assert!(!headers.contains("open-sesame"), "{headers}");
    bodies_go_through(&address);
    faults_are_told(&address);
    whoever_leaves_makes_room(&address);
    running.stop();
}

#[test]
fn the_component_behind_the_gate_may_be_on_another_node() {
    let lattice = Lattice::start(&["a", "b"]);
    let web = address();
    let (on_a, on_b) = ("nodes = [\"a\"]", "nodes = [\"b\"]");
    let up = |behind: &str, more: &str| {
        let last = format!("{on_b}\n{more}");
        let text = manifest(behind, [on_a, &last, on_a], &web);
        let manifest = write_manifest(lattice.folder(), &text);
        lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    };
    up("hello_http_p3", "");
    refuses_whoever_has_no_token(&web);
    let expected = (200, "Hello from WRT\n".to_owned());
    assert_eq!(get(Version::Http2, &web, "/"), expected);
    bodies_go_through(&web);

    up("probe", ONE_AT_A_TIME);
    bodies_go_through(&web);
    faults_are_told(&web);
    whoever_leaves_makes_room(&web);

    // What is under way there when its node dies is told by the gate, and so is what comes after.
    let waits = somebody_waits(Version::Http1, &web);
    lattice.kill("b");
    let answer = waits.answer_within(Duration::from_secs(10));
    let answer = answer.expect("whoever waits on a dead node hears of it");
    let told = (answer.status.as_u16(), answer.text());
    assert_eq!(told, (502, "ErrorCode::ConnectionTerminated\n".to_owned()));
    let (status, told) = get(Version::Http1, &web, "/hello");
    assert_eq!(
        (status, told.as_str()),
        (502, "ErrorCode::DestinationUnavailable\n")
    );
    assert_eq!(get(Version::Http1, &web, "/").0, 502, "the gate lives on");
}
