//! The key-value suite over each backend as another node sees it: through the remote client, the
//! request path, a bus, the exchange, the dispatcher and the gate. A difference between a backend
//! called directly and behind the bus is a bug.

#![cfg(test)]

use std::{sync::Arc, time::Duration};

use wrt_contract::{Gate, GateLimits, Interface, Offer};
use wrt_keyvalue::{KeyValue, KeyValueDefault, KeyValueInterface, conformance};
use wrt_membership::MembershipOptions;
use wrt_nats::NatsConfig;
use wrt_protocol::{
    ActorAddress, Epoch, LatticeName, Name, NodeId,
    heartbeat::{ReplicaReport, ReplicaState},
};
use wrt_redis::{Redis, RedisConfig};
use wrt_request::Seat;
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::{NatsServer, RedisServer};
use wrt_transport::{Loopback, Nats, NatsOptions, Transport};

const APPEARS_WITHIN: Duration = Duration::from_secs(10);

fn store_address() -> ActorAddress {
    ActorAddress::provider(Name::new("suite").unwrap(), Name::new("store").unwrap())
}

async fn seat(transport: Arc<dyn Transport>, name: &str, serves: bool) -> Seat {
    let options = MembershipOptions {
        lattice: LatticeName::new("suite").unwrap(),
        node: NodeId::new(name).unwrap(),
        epoch: Epoch(1),
        labels: Vec::new(),
        version: "0.1.0".to_owned(),
    };
    let report = move || {
        let report = ReplicaReport {
            actor: store_address(),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: 256,
            handled: 0,
            refused: 0,
        };
        Vec::from_iter(serves.then_some(report))
    };
    Seat::take(transport, options, Arc::new(report))
        .await
        .unwrap()
}

/// Runs the suite from node `client` against `store`, which node `server` hosts.
async fn check(server: Arc<dyn Transport>, client: Arc<dyn Transport>, store: Arc<dyn KeyValue>) {
    let server = seat(server, "server", true).await;
    let offer = Offer::new::<KeyValueInterface>(store, &Gate::new(GateLimits::default()));
    server
        .exchange
        .host(store_address(), &[offer])
        .await
        .unwrap();
    let client = seat(client, "client", false).await;
    let mut changes = client.membership.changes();
    let appears = async {
        while client
            .membership
            .view()
            .remote_candidates(&store_address())
            .is_empty()
        {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(APPEARS_WITHIN, appears)
        .await
        .expect("the store appears on the lattice");
    conformance::run(KeyValueInterface::remote(
        client.path.clone(),
        store_address().into(),
    ))
    .await;
    assert!(
        server.exchange.counts().dispatched > 0,
        "the calls went over the bus"
    );
}

async fn over_loopback(store: Arc<dyn KeyValue>) {
    let loopback = Loopback::new();
    let node = |name| loopback.transport(NodeId::new(name).unwrap());
    check(node("server"), node("client"), store).await;
}

async fn over_nats(store: Arc<dyn KeyValue>) {
    let nats = NatsServer::start().unwrap();
    let node = |name| {
        let options = NatsOptions::new(NodeId::new(name).unwrap(), vec![nats.url()]);
        async { Nats::connect(options).await.unwrap() }
    };
    check(node("server").await, node("client").await, store).await;
}

fn memory() -> Arc<dyn KeyValue> {
    Arc::new(KeyValueDefault::default())
}

async fn redis(server: &RedisServer) -> Arc<dyn KeyValue> {
    let config = RedisConfig {
        url: ServiceAddress::new(server.url()),
        ..RedisConfig::default()
    };
    Arc::new(Redis::connect_with(config).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_over_loopback() {
    over_loopback(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_over_nats() {
    over_nats(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_over_loopback() {
    let server = RedisServer::start().unwrap();
    over_loopback(redis(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_over_nats() {
    let server = RedisServer::start().unwrap();
    over_nats(redis(&server).await).await;
}

async fn jetstream(server: &NatsServer) -> Arc<dyn KeyValue> {
    let config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    };
    Arc::new(wrt_nats::Nats::connect_with(config).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_over_loopback() {
    let server = NatsServer::start().unwrap();
    over_loopback(jetstream(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_over_nats() {
    let server = NatsServer::start().unwrap();
    over_nats(jetstream(&server).await).await;
}
