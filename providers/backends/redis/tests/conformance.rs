//! The suite over a real server, from wherever its provider can be called.

use std::sync::Arc;

use wrt_keyvalue::{KeyValueInterface, conformance};
use wrt_redis::{Redis, RedisConfig, RedisUrl};
use wrt_test_kit::everywhere;
use wrt_test_servers::RedisServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_conforms() {
    let server = RedisServer::start().expect("redis-server");
    let config = RedisConfig {
        url: RedisUrl::new(server.url()),
        ..RedisConfig::default()
    };
    let store = Redis::connect(config).await.expect("connect");
    everywhere::<KeyValueInterface>(Arc::new(store), conformance::run).await;
}
