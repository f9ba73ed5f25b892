//! A key-value get through a co-located link, beside the same backend called directly: Redis.

use std::sync::Arc;

use bytes::Bytes;
use wrt_contract::{
    Answer, CallContext, Caller, Gate, GateLimits, Interface, Invocation, LocalDirectory, Offer,
};
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueInterface};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_redis::{Redis, RedisConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::RedisServer;

use crate::{rounds::in_turns, row::Row, serving::provider};

const VALUE_BYTES: usize = 128;
const WORK: &str = "keyvalue get, co-located link, redis";
const BESIDE: &str = "the same backend called directly";

/// A way out that must not be taken: the call is local.
pub struct NoWayOut;

impl Caller for NoWayOut {
    fn call<'a>(
        &'a self,
        _context: &'a CallContext,
        invocation: Invocation,
    ) -> futures::future::BoxFuture<'a, Result<Answer, Fault>> {
        let detail = format!("a local call of {} left the node", invocation.target);
        let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Caller, detail);
        Box::pin(std::future::ready(Err(fault)))
    }
}

/// What a component in the same node as the provider calls.
pub fn linked<I: Interface>(direct: Arc<I::Object>) -> anyhow::Result<Arc<I::Object>> {
    let actor = provider()?;
    let directory = LocalDirectory::default();
    let gate = Gate::of_actor(&actor, GateLimits::default());
    Offer::new::<I>(direct, &gate).install(&directory, &actor);
    let remote = I::remote(Arc::new(NoWayOut), actor.clone().into());
    Ok(I::linked(directory.slot::<I>(&actor), remote))
}

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    // Which of two wins in rustls does not matter: the server is local, and has no TLS.
    let _only_once = rustls::crypto::ring::default_provider().install_default();
    let server = RedisServer::start()?;
    let config = RedisConfig {
        url: ServiceAddress::new(server.url()),
        ..RedisConfig::default()
    };
    let direct: Arc<dyn KeyValue> = Arc::new(Redis::connect_with(config).await?);
    let (bucket, key) = (Bucket::default(), Key::new("key")?);
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    direct
        .set(&CallContext::default(), &bucket, &key, value)
        .await?;

    let linked = linked::<KeyValueInterface>(Arc::clone(&direct))?;

    let get = async |store: &Arc<dyn KeyValue>| -> anyhow::Result<()> {
        let value = store.get(&CallContext::default(), &bucket, &key).await?;
        anyhow::ensure!(
            value.is_some_and(|v| v.len() == VALUE_BYTES),
            "the value is not there"
        );
        Ok(())
    };
    let ours = async || get(&linked).await;
    let theirs = async || get(&direct).await;
    let (our_one, their_one) = in_turns(40, 1_000, 1, ours, theirs).await?;
    let (our_many, their_many) = in_turns(20, 25_600, 64, ours, theirs).await?;
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
