//! A message that a component sends names the trace of the request: any program finds it in the headers.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use futures::StreamExt as _;
use tempfile::TempDir;
use tokio::time::timeout;
use wrt_test_servers::NatsServer;

use super::running::{Running, guest, repository, write_manifest};

const PLACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const A_WHILE: Duration = Duration::from_secs(30);

#[test]
fn a_message_to_nats_names_its_place_in_the_trace() {
    let nats = NatsServer::start().unwrap();
    let manifest = std::fs::read_to_string(repository("examples/messaging/nats.toml")).unwrap();
    let source = guest("messaging").display().to_string();
    let manifest = manifest
        .replace("../target/wasm32-wasip2/release/messaging.wasm", &source)
        .replace("nats://127.0.0.1:4222", &nats.url());
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seen = runtime.block_on(async {
        let client = async_nats::connect(nats.url()).await?;
        let stream = async_nats::jetstream::stream::Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            ..Default::default()
        };
        let jetstream = async_nats::jetstream::new(client.clone());
        // Answered by the server, which so knows of the subscription before it.
        let seen = client.subscribe("orders.>").await?;
        jetstream.create_stream(stream).await?;
        anyhow::Ok(seen)
    });
    let mut seen = seen.unwrap();
    let manifest = manifest.display().to_string();
    let running = Running::start(&[&manifest, "--address", "web=127.0.0.1:0"]);
    let mut stream = TcpStream::connect(running.address("web")).unwrap();
    stream.set_read_timeout(Some(A_WHILE)).unwrap();
    write!(
        stream,
        "POST /orders/one HTTP/1.1\r\nhost: shop\r\ntraceparent: {PLACE}\r\ntracestate: a=1\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let message = runtime.block_on(async { timeout(A_WHILE, seen.next()).await });
    let message = message.unwrap().expect("the server is there");
    assert_eq!(message.payload, "one");
    let headers = message.headers.expect("headers");
    for (name, value) in [("traceparent", PLACE), ("tracestate", "a=1")] {
        let told = headers.get(name).map(|it| it.as_str());
        assert_eq!(told, Some(value), "{name}");
    }
    running.stop();
}
