//! What a component on another node has no room for stays with the broker.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::PullConsumer};
use serde_json::Value;
use wrt_test_servers::Deadline;

use super::{
    lattice::{Lattice, address},
    running::{guest, request, write_manifest},
};

const PERMITS: usize = 5;
const BURST: usize = 10 * PERMITS;

/// The mail is on one node, and replicas of the broker that pull for it on two others.
fn orders(web: &str, nats: &str) -> String {
    let source = guest("messaging");
    let links = r#"links = { "wasi:messaging" = "bus", "wasi:keyvalue" = "store" }"#;
    format!(
        r#"
[app]
name = "orders"

[component.shop]
source = {source:?}
nodes = ["a"]
{links}

[component.mail]
source = {source:?}
nodes = ["b"]
environment = {{ NAME = "mail", TAKES_MS = "400" }}
limits = {{ concurrency_max = {PERMITS}, queue_max = 2 }}
{links}

[provider.bus]
backend = "nats"
nodes = ["a", "c"]
config = {{ url = "{nats}" }}
calls = [{{ component = "mail", topics = ["orders.*"], in_hand_max = 64 }}]

[provider.store]
backend = "memory"
nodes = ["a"]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "shop" }}]
"#
    )
}

fn sum_of(name: &str, of: &Value) -> u64 {
    match of {
        Value::Array(values) => values.iter().map(|value| sum_of(name, value)).sum(),
        Value::Object(fields) => {
            let own = fields.get(name).and_then(Value::as_u64).unwrap_or(0);
            own + fields
                .values()
                .map(|value| sum_of(name, value))
                .sum::<u64>()
        }
        _ => 0,
    }
}

#[test]
fn those_who_pull_for_one_component_share_its_permits() {
    let (lattice, web) = (Lattice::start(&["a", "b", "c"]), address());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stream = runtime.block_on(async {
        let client = async_nats::connect(lattice.nats_url()).await?;
        let stream = jetstream::stream::Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            ..Default::default()
        };
        anyhow::Ok(jetstream::new(client).create_stream(stream).await?)
    });
    let stream = stream.unwrap();
    let manifest = write_manifest(lattice.folder(), &orders(&web, &lattice.nats_url()));
    lattice.wrt_ok(&["up", manifest.to_str().unwrap()]);
    // The first one is handled: everything is there, and both know of the mail.
    let handled = || {
        let (_, text) = request(&web, "GET", "/handled/mail", "");
        text.lines().count()
    };
    let placed = request(&web, "POST", "/orders/first", "");
    assert_eq!(placed.0, 200, "{placed:?}");
    let first = Deadline::after(Duration::from_secs(60)).poll(|| (handled() == 1).then_some(()));
    assert!(first.is_some(), "the first is not handled");
    let pending = || {
        runtime.block_on(async {
            let consumer: PullConsumer = stream.get_consumer("orders=mail").await?;
            let pending = consumer.cached_info().num_ack_pending;
            Ok::<_, async_nats::Error>(pending)
        })
    };
    let mut most = 0;
    for at in 0..BURST {
        let placed = request(&web, "POST", &format!("/orders/{at:02}"), "");
        assert_eq!(placed.0, 200, "{placed:?}");
        most = most.max(pending().unwrap());
    }
    let all = Deadline::after(Duration::from_secs(60)).poll(|| {
        most = most.max(pending().unwrap());
        (handled() == BURST + 1).then_some(())
    });
    let shown: Value = serde_json::from_str(&lattice.wrt_ok(&["ps", "--output", "json"])).unwrap();
    assert!(all.is_some(), "{} are handled: {shown}", handled());
    println!("at most {most} in hand");
    // The server counts one until it has read its acknowledgement, which it does beside other requests.
    assert!(most > 1 && most <= 2 * PERMITS, "{most} in hand at a time");
    assert_eq!(sum_of("put_back", &shown), 0, "{shown}");
}
