//! The example of wasi:otel: in memory, with the genuine collector, and as one trace across three nodes.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use wrt_test_servers::OtelCollector;

use super::{
    examples::run_app,
    lattice::{Lattice, address},
    running::{Running, guest, repository, request, write_manifest, wrt_node},
    traces::{SEEN_WITHIN, becomes, wait},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// `POST`, as a part of a trace.
fn order(address: &str, item: &str, flags: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SEEN_WITHIN)).unwrap();
    write!(
        stream,
        "POST /{item} HTTP/1.1\r\nhost: shop\r\ntraceparent: 00-{TRACE}-{PARENT}-{flags}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn otel_in_memory() {
    let (running, address) = run_app("otel", "otel");
    for _ in 0..3 {
        let (status, trace) = request(&address, "POST", "/chair", "");
        assert_eq!((status, trace.len()), (200, 32), "{trace}");
    }
    let (status, text) = request(&address, "POST", "/chair", "");
    assert!(
        status == 409 && text.ends_with("sold out"),
        "{status} {text}"
    );
    running.stop();
}

/// One process: without a node's own spans the guest's are a trace of their own; its metric and its log go with them.
#[test]
fn otel_with_a_collector() {
    guest("otel");
    let collector = OtelCollector::start().unwrap();
    let url = collector.url();
    let manifest = repository("examples/otel/collector.toml")
        .display()
        .to_string();
    let command = |at: &std::path::Path| {
        let mut command = wrt_node(at);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
        command.env("OTEL_TRACES_EXPORTER", "none");
        command.args(["run", "--allow-env", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
        command.arg(manifest);
        command
    };
    let running = Running::launch_by(command, &["--address", "web=127.0.0.1:0"]);
    running.wait_for("is ready");
    let (status, trace) = request(&running.address("web"), "POST", "/chair", "");
    assert_eq!(status, 200, "{trace}");
    let expected = "internal order [orders]\n  internal reserve [orders]\n";
    becomes(&collector, &trace, "", expected);
    let started = Instant::now();
    loop {
        let taken = collector.taken().unwrap().join("\n");
        let found = ["shop.orders", "an order"].map(|it| taken.contains(it));
        if found == [true; 2] {
            break;
        }
        assert!(started.elapsed() < SEEN_WITHIN, "{taken}");
        wait();
    }
    running.stop();
}

/// What its components have said waits for its batch a minute long, and is sent when it stops.
#[test]
fn a_provider_that_stops_sends_what_it_has() {
    let collector = OtelCollector::start().unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let manifest = format!(
        r#"
[app]
name = "shop"

[component.orders]
source = "{source}"
links = {{ "wasi:otel" = "telemetry", "wasi:keyvalue" = "stock" }}

[provider.telemetry]
backend = "opentelemetry"
config = {{ endpoint = "{url}", protocol = "grpc", delay_ms = 60000 }}

[provider.stock]
backend = "memory"

[provider.web]
backend = "http-server"
config = {{ address = "127.0.0.1:0" }}
calls = [{{ component = "orders" }}]
"#,
        source = guest("otel").display(),
        url = collector.url()
    );
    let manifest = write_manifest(folder.path(), &manifest);
    let running = Running::start(&[&manifest.display().to_string()]);
    let (status, trace) = request(&running.address("web"), "POST", "/chair", "");
    assert_eq!(status, 200, "{trace}");
    running.stop();
    let expected = "internal order [orders]\n  internal reserve [orders]\n";
    becomes(&collector, &trace, "", expected);
}

/// The server on one node, the component on another, its store and the way to the collector on a third.
#[test]
fn one_trace_goes_through_three_nodes() {
    let collector = OtelCollector::start().unwrap();
    let url = collector.url();
    let lattice = Lattice::start_with(
        &["a", "b", "c"],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ],
    );
    let (source, web) = (guest("otel"), address());
    let manifest = format!(
        r#"
[app]
name = "shop"

[component.orders]
source = "{source}"
nodes = ["b"]
links = {{ "wasi:otel" = "telemetry", "wasi:keyvalue" = "stock" }}

[provider.telemetry]
backend = "opentelemetry"
nodes = ["c"]
config = {{ endpoint = "{url}", protocol = "grpc", delay_ms = 50 }}

[provider.stock]
backend = "memory"
nodes = ["c"]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "orders" }}]
"#,
        source = source.display()
    );
    let manifest = write_manifest(lattice.folder(), &manifest);
    lattice.wrt_ok(&["up", &manifest.display().to_string()]);
    // One that was not kept where it began is kept nowhere.
    let answer = order(&web, "lamp", "00");
    assert!(answer.contains(TRACE), "{answer}");
    let answer = order(&web, "chair", "01");
    assert!(answer.contains(TRACE), "{answer}");
    let expected = "\
server POST [node a]
  client wasi:http/handler/handle [node a]
    server wasi:http/handler/handle [node b]
      internal order [orders]
        internal reserve [orders]
          client wasi:keyvalue/increment [node b]
            server wasi:keyvalue/increment [node c]
          client wasi:keyvalue/increment [node b]
            server wasi:keyvalue/increment [node c]
";
    becomes(&collector, TRACE, PARENT, expected);
}
