//! The suite over a real server, from wherever its provider can be called.

use std::{sync::Arc, time::Duration};

use wrt_keyvalue::{KeyValueInterface, conformance};
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_kit::everywhere;
use wrt_test_servers::NatsServer;

async fn connect(server: &NatsServer, deduplicate_for_ms: Option<u64>) -> Arc<Nats> {
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        deduplicate_for_ms,
        ..NatsConfig::default()
    };
    Arc::new(Nats::connect_with(config).await.expect("connect"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server, None).await;
    everywhere::<KeyValueInterface>(store, conformance::run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_that_deduplicates_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let store = connect(&server, Some(5000)).await;
    conformance::run_deduplicating(store, Duration::from_secs(5)).await;
}
