//! The suite over a real server, from wherever its provider can be called.

use std::sync::Arc;

use wrt_keyvalue::{KeyValueInterface, conformance};
use wrt_nats::{Nats, NatsConfig, NatsUrl};
use wrt_test_kit::everywhere;
use wrt_test_servers::NatsServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let config = NatsConfig {
        url: NatsUrl::new(server.url()),
        ..NatsConfig::default()
    };
    let store = Nats::connect(config).await.expect("connect");
    everywhere::<KeyValueInterface>(Arc::new(store), conformance::run).await;
}
