//! The suite over a real server, from wherever its provider can be called.

use std::{sync::Arc, time::Duration};

use wrt_keyvalue::{KeyValueInterface, conformance};
use wrt_redis::{Redis, RedisConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_kit::everywhere;
use wrt_test_servers::RedisServer;

async fn connect(server: &RedisServer, deduplicate_for_ms: Option<u64>) -> Arc<Redis> {
    let config = RedisConfig {
        url: ServiceAddress::new(server.url()),
        deduplicate_for_ms,
        ..RedisConfig::default()
    };
    Arc::new(Redis::connect_with(config).await.expect("connect"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_conforms() {
    let server = RedisServer::start().expect("redis-server");
    let store = connect(&server, None).await;
    everywhere::<KeyValueInterface>(store, conformance::run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_deduplicates_conforms() {
    let server = RedisServer::start().expect("redis-server");
    let store = connect(&server, Some(5000)).await;
    conformance::run_deduplicating(store, Duration::from_secs(5)).await;
}
