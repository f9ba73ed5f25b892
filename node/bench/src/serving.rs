//! The other process: a node that serves one provider, answers bare NATS requests, and is a server
//! outside of the lattice.

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use wrt_blobstore::BlobstoreInterface;
use wrt_contract::{CallContext, Gate, GateLimits, Interface, Offer};
use wrt_http::HttpClientInterface;
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueDefault, KeyValueInterface, MemoryConfig};
use wrt_protocol::{
    ActorAddress, Name,
    heartbeat::{ReplicaReport, ReplicaState},
    limits::CHUNK_BYTES_MAX,
};
use wrt_request::Seat;
use wrt_sql::SqlInterface;
use wrt_test_servers::{NatsServer, Process};

use crate::{
    blob_provider,
    cursors::{CursorsInterface, Served},
    http_provider, node, outside, sql,
};

pub const VALUE_BYTES: usize = 128;
pub const BARE_SUBJECT: &str = "bench.bare";
/// Takes bytes, and answers with none.
pub const TAKEN_SUBJECT: &str = "bench.taken";
/// Answers with a chunk of as many bytes as one of a stream.
pub const CHUNK_SUBJECT: &str = "bench.chunk";
/// Answers with the address of the server outside.
const ADDRESS_SUBJECT: &str = "bench.address";

pub fn provider() -> anyhow::Result<ActorAddress> {
    Ok(ActorAddress::provider(
        Name::new("bench")?,
        Name::new("store")?,
    ))
}

/// Runs until it is stopped.
pub async fn serve(nats: &str, postgres: Option<&str>) -> anyhow::Result<()> {
    let gate = Gate::new(GateLimits::default());
    let store: Arc<dyn KeyValue> = Arc::new(KeyValueDefault::new(MemoryConfig::default()));
    let (bucket, key) = (Bucket::default(), Key::new("key")?);
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    store
        .set(&CallContext::default(), &bucket, &key, value.clone())
        .await?;
    let cursors = Arc::new(Served::new(&gate));
    let mut offers = vec![
        Offer::new::<KeyValueInterface>(store, &gate),
        Offer::new::<CursorsInterface>(cursors, &gate),
        Offer::new::<HttpClientInterface>(http_provider::client().await?, &gate),
        Offer::new::<BlobstoreInterface>(blob_provider::store(nats).await?, &gate),
    ];
    if let Some(url) = postgres {
        let database = sql::provider(url, &gate).await?;
        offers.push(Offer::new::<SqlInterface>(database, &gate));
    }
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
    let client = async_nats::connect(nats).await?;
    let (listener, address) = outside::listen().await?;
    let bare = answer(&client, BARE_SUBJECT, value.clone()).await?;
    let taken = answer(&client, TAKEN_SUBJECT, Bytes::new()).await?;
    let chunk = Bytes::from(vec![b'c'; CHUNK_BYTES_MAX]);
    let chunk = answer(&client, CHUNK_SUBJECT, chunk).await?;
    let address = answer(&client, ADDRESS_SUBJECT, address.to_string().into()).await?;
    let announced = async {
        // A round trip over the connection, so that the bus knows its subscriptions: whoever sees the
        // provider finds all the rest.
        client.request(BARE_SUBJECT, Bytes::new()).await?;
        let node = node::join(nats, "server", Arc::new(report)).await?;
        node.exchange.host(actor, &offers).await?;
        node.membership.announce_now();
        anyhow::Ok(node)
    };
    let outside = outside::serve(listener, value);
    tokio::try_join!(announced, bare, taken, chunk, address, outside)?;
    Ok(())
}

/// Replies to every request on a subject with the same, until the connection ends.
async fn answer(
    client: &async_nats::Client,
    subject: &'static str,
    value: Bytes,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let mut requests = client.subscribe(subject).await?;
    let client = client.clone();
    Ok(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                client.publish(reply, value.clone()).await?;
            }
        }
        Ok(())
    })
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
        Self::with(&[]).await
    }

    /// The same, with a provider of that database.
    pub async fn with_postgres(url: &str) -> anyhow::Result<Self> {
        Self::with(&["--postgres", url]).await
    }

    async fn with(more: &[&str]) -> anyhow::Result<Self> {
        let nats = NatsServer::start()?;
        let folder = std::env::temp_dir().join(format!("wrt-bench-{}.log", std::process::id()));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--nats", &nats.url()]).args(more);
        let server = Process::spawn("bench-server", command, folder)?;
        let client = node::join(&nats.url(), "client", Arc::new(Vec::new)).await?;
        wait_until_served(&client).await?;
        Ok(Self {
            client,
            _server: server,
            nats,
        })
    }

    /// Where the server outside listens.
    pub async fn http_server(&self) -> anyhow::Result<SocketAddr> {
        let nats = async_nats::connect(self.nats.url()).await?;
        let reply = nats.request(ADDRESS_SUBJECT, Bytes::new()).await?;
        Ok(std::str::from_utf8(&reply.payload)?.parse()?)
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
