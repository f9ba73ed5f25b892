//! A key-value get from a host client on one node to the memory backend on another, beside a bare
//! NATS request and reply of the same size to the same process.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use wrt_contract::{CallContext, Gate, GateLimits, Interface, Offer};
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueInterface, MemoryConfig, MemoryKeyValue};
use wrt_protocol::{
    ActorAddress, Name,
    heartbeat::{ReplicaReport, ReplicaState},
};
use wrt_test_servers::{NatsServer, Process};

use wrt_request::Seat;

use crate::{node, rounds::in_turns, row::Row};

const VALUE_BYTES: usize = 128;
const BARE_SUBJECT: &str = "bench.bare";
const WORK: &str = "keyvalue get, another node, memory";
const BESIDE: &str = "bare NATS request/reply";

fn provider() -> anyhow::Result<ActorAddress> {
    Ok(ActorAddress::provider(
        Name::new("bench")?,
        Name::new("store")?,
    ))
}

/// The serving process: runs until it is stopped.
pub async fn serve(nats: &str) -> anyhow::Result<()> {
    let gate = Gate::new(GateLimits::default());
    let store: Arc<dyn KeyValue> = Arc::new(MemoryKeyValue::new(MemoryConfig::default()));
    let (bucket, key) = (Bucket::default(), Key::new("key")?);
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    store
        .set(&CallContext::default(), &bucket, &key, value.clone())
        .await?;
    let offer = Offer::new::<KeyValueInterface>(store, &gate);
    let actor = provider()?;
    let report = {
        let actor = actor.clone();
        move || {
            let load = gate.load();
            vec![ReplicaReport {
                actor: actor.clone(),
                state: ReplicaState::Ready,
                running: load.running,
                waiting: load.waiting,
                concurrency_max: load.concurrency_max,
                handled: load.admitted,
                refused: load.refused,
            }]
        }
    };
    let node = node::join(nats, "server", Arc::new(report)).await?;
    node.exchange.host(actor, &[offer]).await?;
    node.membership.announce_now();

    let client = async_nats::connect(nats).await?;
    let mut requests = client.subscribe(BARE_SUBJECT).await?;
    while let Some(request) = requests.next().await {
        if let Some(reply) = request.reply {
            client.publish(reply, value.clone()).await?;
        }
    }
    Ok(())
}

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let nats = NatsServer::start()?;
    let folder = std::env::temp_dir().join(format!("wrt-bench-{}.log", std::process::id()));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--nats", &nats.url()]);
    let _server = Process::spawn("bench-server", command, folder)?;
    let node = node::join(&nats.url(), "client", Arc::new(Vec::new)).await?;
    let store = KeyValueInterface::remote(node.path.clone(), provider()?.into());
    wait_until_served(&node).await?;

    let client = async_nats::connect(nats.url()).await?;
    let (bucket, key) = (Bucket::default(), Key::new("key")?);
    let payload = Bytes::from(vec![b'k'; VALUE_BYTES]);
    let ours = async || -> anyhow::Result<()> {
        let value = store.get(&CallContext::default(), &bucket, &key).await?;
        anyhow::ensure!(
            value.is_some_and(|v| v.len() == VALUE_BYTES),
            "the value is not there"
        );
        Ok(())
    };
    let theirs = async || -> anyhow::Result<()> {
        let reply = client.request(BARE_SUBJECT, payload.clone()).await?;
        anyhow::ensure!(reply.payload.len() == VALUE_BYTES, "the reply is not whole");
        Ok(())
    };
    let (our_one, their_one) = in_turns(20, 1_000, 1, ours, theirs).await?;
    let (our_many, their_many) = in_turns(20, 12_800, 64, ours, theirs).await?;
    let row =
        |metric, unit, ours, theirs| Row::beside((WORK, metric, unit), ours, (BESIDE, theirs));
    Ok(vec![
        row(
            "p50, 1 in flight",
            "us",
            our_one.p50_micros,
            their_one.p50_micros,
        ),
        row(
            "p99, 1 in flight",
            "us",
            our_one.p99_micros,
            their_one.p99_micros,
        ),
        row(
            "p50, 64 in flight",
            "us",
            our_many.p50_micros,
            their_many.p50_micros,
        ),
        row(
            "throughput, 64 in flight",
            "1/s",
            our_many.per_second,
            their_many.per_second,
        ),
    ])
}

async fn wait_until_served(node: &Seat) -> anyhow::Result<()> {
    let provider = provider()?;
    let mut changes = node.membership.changes();
    let served = async {
        while node
            .membership
            .view()
            .remote_candidates(&provider)
            .is_empty()
        {
            changes.changed().await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), served)
        .await
        .context("the serving process did not appear on the lattice within 10 s")?
}
