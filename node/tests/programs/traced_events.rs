//! What begins elsewhere than with a request is a trace too: a peer's message, and a tick of the clock. Each is one
//! tree across three nodes, as the genuine collector has it.

use std::{fmt::Display, net::TcpStream};

use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};
use wrt_test_servers::OtelCollector;

use super::{
    lattice::{Lattice, address},
    running::{guest, write_manifest},
    traces::{SEEN_WITHIN, becomes, begin_here},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Three nodes that send their spans to a collector: what calls is on a, the component on b, its store on c.
struct World {
    lattice: Lattice,
    collector: OtelCollector,
}

impl World {
    fn start() -> Self {
        let collector = OtelCollector::start().unwrap();
        let url = collector.url();
        let lattice = Lattice::start_with(
            &["a", "b", "c"],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_METRICS_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
                ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ],
        );
        Self { lattice, collector }
    }

    /// Deploys a component behind the provider that calls it.
    fn up(&self, component: &str, caller: impl Display) {
        let source = guest(component);
        let manifest = format!(
            r#"
[app]
name = "traced"

[component.{component}]
source = {source:?}
nodes = ["b"]
links = {{ "wasi:keyvalue" = "store" }}

[provider.store]
backend = "memory"
nodes = ["c"]

[provider.caller]
nodes = ["a"]
{caller}
"#
        );
        let manifest = write_manifest(self.lattice.folder(), &manifest);
        self.lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
    }
}

#[test]
fn a_message_of_a_peer_is_one_trace_through_three_nodes() {
    let world = World::start();
    let web = address();
    world.up(
        "tally",
        format!(
            r#"backend = "http-server"
config = {{ address = "{web}" }}
calls = [{{ component = "tally", path = "/numbers", websocket = {{}} }}]"#
        ),
    );
    let url = format!("ws://{web}/numbers");
    let mut asked = url.into_client_request().unwrap();
    let place = format!("00-{TRACE}-{PARENT}-01").parse().unwrap();
    asked.headers_mut().insert("traceparent", place);
    let stream = TcpStream::connect(&web).unwrap();
    stream.set_read_timeout(Some(SEEN_WITHIN)).unwrap();
    let (mut peer, _) = tungstenite::client(asked, stream).unwrap();
    for number in ["1", "2"] {
        peer.send(Message::text(number)).unwrap();
    }
    // Whoever asked to come in is a part of the trace that the request names.
    let opened = "\
server open /numbers [node a]
  client wrt:websocket/handler/open [node a]
    server wrt:websocket/handler/open [node b]
";
    becomes(&world.collector, TRACE, PARENT, opened);
    let received = "\
consumer receive /numbers [node a]
  client wrt:websocket/handler/receive [node a]
    server wrt:websocket/handler/receive [node b]
      client wasi:keyvalue/increment [node b]
        server wasi:keyvalue/increment [node c]
";
    begin_here(&world.collector, received, 2);
    peer.close(None).unwrap();
    while peer.read().is_ok() {}
    let closed = "\
consumer close /numbers [node a]
  client wrt:websocket/handler/close [node a]
    server wrt:websocket/handler/close [node b]
";
    begin_here(&world.collector, closed, 1);
}

#[test]
fn a_tick_of_a_job_is_one_trace_through_three_nodes() {
    let world = World::start();
    world.up(
        "job",
        r#"backend = "schedule"
calls = [{ component = "job", schedule = { cron = "* * * * * *" }, arguments = ["add", "ticks"], at_most_one = true }]"#,
    );
    let ran = "\
internal run job [node a]
  client wasi:cli/run/run [node a]
    server wasi:cli/run/run [node b]
      client wasi:keyvalue/increment [node b]
        server wasi:keyvalue/increment [node c]
";
    begin_here(&world.collector, ran, 3);
}
