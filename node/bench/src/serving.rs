//! The other process: a node that serves one provider, and answers bare NATS requests.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use wrt_contract::{CallContext, Gate, GateLimits, Interface, Offer};
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueDefault, KeyValueInterface, MemoryConfig};
use wrt_protocol::{
    ActorAddress, Name,
    heartbeat::{ReplicaReport, ReplicaState},
};
use wrt_request::Seat;
use wrt_test_servers::{NatsServer, Process};

use crate::{
    cursors::{CursorsInterface, Served},
    node,
};

pub const VALUE_BYTES: usize = 128;
pub const BARE_SUBJECT: &str = "bench.bare";

pub fn provider() -> anyhow::Result<ActorAddress> {
    Ok(ActorAddress::provider(
        Name::new("bench")?,
        Name::new("store")?,
    ))
}

/// Runs until it is stopped.
pub async fn serve(nats: &str) -> anyhow::Result<()> {
    let gate = Gate::new(GateLimits::default());
    let store: Arc<dyn KeyValue> = Arc::new(KeyValueDefault::new(MemoryConfig::default()));
    let (bucket, key) = (Bucket::default(), Key::new("key")?);
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    store
        .set(&CallContext::default(), &bucket, &key, value.clone())
        .await?;
    let cursors = Arc::new(Served::new(&gate));
    let offers = [
        Offer::new::<KeyValueInterface>(store, &gate),
        Offer::new::<CursorsInterface>(cursors, &gate),
    ];
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
    node.exchange.host(actor, &offers).await?;
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

/// A bus, the serving process, and this one's seat, from which the provider is seen.
pub struct Pair {
    pub client: Seat,
    _server: Process,
    pub nats: NatsServer,
}

impl Pair {
    /// Starts them.
    pub async fn start() -> anyhow::Result<Self> {
        let nats = NatsServer::start()?;
        let folder = std::env::temp_dir().join(format!("wrt-bench-{}.log", std::process::id()));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--nats", &nats.url()]);
        let server = Process::spawn("bench-server", command, folder)?;
        let client = node::join(&nats.url(), "client", Arc::new(Vec::new)).await?;
        wait_until_served(&client).await?;
        Ok(Self {
            client,
            _server: server,
            nats,
        })
    }

    /// A client of the provider.
    pub fn remote<I: Interface>(&self) -> anyhow::Result<Arc<I::Object>> {
        let path = Arc::clone(&self.client.path);
        Ok(I::remote(path, provider()?.into()))
    }
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
