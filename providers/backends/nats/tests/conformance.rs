//! The suite over a real server.

use std::sync::Arc;

use wrt_keyvalue::conformance;
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::NatsServer;

#[tokio::test(flavor = "multi_thread")]
async fn nats_conforms() {
    let server = NatsServer::start().expect("nats-server");
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    };
    conformance::run(Arc::new(Nats::connect_with(config).await.expect("connect"))).await;
}
