//! Components that speak `wasmcloud:messaging`, on one node and on three.

use std::time::Duration;

use async_nats::jetstream;
use tempfile::TempDir;
use wrt_test_servers::{Deadline, KafkaServer, NatsServer};

use super::{
    lattice::{Lattice, address},
    running::{Running, guest, repository, request, write_manifest},
};

/// Who asks gets the reply of whoever handles it, also by one that hands it on; and a message is handled, with
/// its reply where that was to go.
fn speak(address: &str) {
    for topic in ["anna.ask", "anna.pass"] {
        let path = format!("/ask/{topic}/hello");
        let answered = Deadline::after(Duration::from_secs(30)).poll(|| {
            let answer = request(address, "GET", &path, "");
            // On a lattice the subscription may begin later than the port.
            (answer.0 == 200).then_some(answer.1)
        });
        let last = || request(address, "GET", &path, "");
        assert_eq!(
            answered.unwrap_or_else(|| format!("{:?}", last())),
            "anna: hello",
            "{topic}"
        );
    }
    for text in ["one", "two"] {
        let told = request(address, "POST", &format!("/tell/anna.ask/{text}"), "");
        assert_eq!(told, (200, format!("told {text}")));
    }
    let noted = || request(address, "GET", "/noted", "");
    let all = (200, "anna: one\nanna: two".to_owned());
    let came = Deadline::after(Duration::from_secs(30)).poll(|| (noted() == all).then_some(()));
    assert!(came.is_some(), "{:?}", noted());
    let nobody = request(address, "GET", "/ask/nobody.ask/hello", "");
    assert_eq!(nobody.0, 503, "{nobody:?}");
}

/// The example, with another broker.
fn with_broker(broker: &str) -> Running {
    let source = guest("wasmcloud_messaging").display().to_string();
    let manifest = repository("examples/wasmcloud-messaging/app.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let manifest = manifest
        .replace(
            "../target/wasm32-wasip2/release/wasmcloud_messaging.wasm",
            &source,
        )
        .replacen("backend = \"memory\"", broker, 1);
    let folder = TempDir::new().unwrap();
    let manifest = write_manifest(folder.path(), &manifest);
    let manifest = manifest.display().to_string();
    Running::start(&[&manifest, "--address", "web=127.0.0.1:0"])
}

fn keep_what_is_said(url: &str) {
    let made = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = async_nats::connect(url).await?;
        let stream = jetstream::stream::Config {
            name: "SAID".to_owned(),
            subjects: vec!["anna.>".to_owned()],
            ..Default::default()
        };
        anyhow::Ok(
            jetstream::new(client)
                .create_stream(stream)
                .await
                .map(drop)?,
        )
    });
    made.unwrap();
}

#[test]
fn with_a_broker_in_memory() {
    let running = with_broker("backend = \"memory\"");
    speak(&running.address("web"));
    running.stop();
}

#[test]
fn with_nats() {
    let nats = NatsServer::start().unwrap();
    keep_what_is_said(&nats.url());
    let config = format!(
        "backend = \"nats\"\nconfig = {{ url = \"{}\" }}",
        nats.url()
    );
    let running = with_broker(&config);
    speak(&running.address("web"));
    running.stop();
}

#[test]
fn with_kafka() {
    let kafka = KafkaServer::start().unwrap();
    let config = format!(
        "backend = \"kafka\"\nconfig = {{ brokers = \"{}\", create_topics = [\"anna.*\"] }}",
        kafka.url()
    );
    let running = with_broker(&config);
    speak(&running.address("web"));
    running.stop();
}

/// Who asks, the broker, and who handles: each on a node of its own.
fn apart(lattice: &Lattice, web: &str, broker: &str) {
    let source = guest("wasmcloud_messaging");
    let links = r#"links = { "wasi:messaging" = "bus", "wasi:keyvalue" = "store" }"#;
    let manifest = format!(
        r#"
[app]
name = "speakers"

[component.front]
source = {source:?}
nodes = ["a"]
{links}

[component.anna]
source = {source:?}
nodes = ["b"]
environment = {{ NAME = "anna" }}
{links}

[provider.bus]
{broker}
nodes = ["c"]
calls = [{{ component = "anna", topics = ["anna.*"] }}]

[provider.store]
backend = "memory"
nodes = ["c"]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "front" }}]
"#
    );
    let manifest = write_manifest(lattice.folder(), &manifest);
    lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
    speak(web);
    lattice.wrt_ok(&["down", "speakers"]);
}

#[test]
fn on_three_nodes() {
    let (lattice, web) = (Lattice::start(&["a", "b", "c"]), address());
    apart(&lattice, &web, "backend = \"memory\"");
    keep_what_is_said(&lattice.nats_url());
    let nats = format!(
        "backend = \"nats\"\nconfig = {{ url = \"{}\" }}",
        lattice.nats_url()
    );
    apart(&lattice, &web, &nats);
}
