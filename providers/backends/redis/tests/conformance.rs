//! The suite over a real server.

use std::sync::Arc;

use wrt_keyvalue::conformance;
use wrt_redis::{Redis, RedisConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn redis_conforms() {
    let server = RedisServer::start().expect("redis-server");
    let config = RedisConfig {
        url: ServiceAddress::new(server.url()),
        ..RedisConfig::default()
    };
    conformance::run(Arc::new(
        Redis::connect_with(config).await.expect("connect"),
    ))
    .await;
}
