//! What deduplication costs an increment, beside one at a provider that does not deduplicate.

use std::sync::Arc;

use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValue};
use wrt_nats::{Nats, NatsConfig};
use wrt_redis::{Redis, RedisConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::{NatsServer, RedisServer};

use crate::{rounds::in_turns, row::Row};

const BESIDE: &str = "the same, not deduplicated";
const DEDUPLICATE_FOR_MS: Option<u64> = Some(60_000);

/// Measures both backends at one in flight, each increment upon the one before it.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let (redis, nats) = (RedisServer::start()?, NatsServer::start()?);
    let redis = async |deduplicate_for_ms| {
        let config = RedisConfig {
            url: ServiceAddress::new(redis.url()),
            deduplicate_for_ms,
            ..RedisConfig::default()
        };
        anyhow::Ok(Arc::new(Redis::connect_with(config).await?) as Arc<dyn KeyValue>)
    };
    // Apart, because all providers of a bucket keep answers or none does.
    let nats = async |deduplicate_for_ms, prefix: &str| {
        let config = NatsConfig {
            url: ServiceAddress::new(nats.url()),
            bucket_prefix: prefix.to_owned(),
            deduplicate_for_ms,
            ..NatsConfig::default()
        };
        anyhow::Ok(Arc::new(Nats::connect_with(config).await?) as Arc<dyn KeyValue>)
    };
    Ok(vec![
        cost(
            "an increment, redis, deduplicated",
            redis(DEDUPLICATE_FOR_MS).await?,
            redis(None).await?,
        )
        .await?,
        cost(
            "an increment, nats, deduplicated",
            nats(DEDUPLICATE_FOR_MS, "once-").await?,
            nats(None, "plain-").await?,
        )
        .await?,
    ])
}

async fn cost(
    work: &str,
    once: Arc<dyn KeyValue>,
    plain: Arc<dyn KeyValue>,
) -> anyhow::Result<Row> {
    let (bucket, once_key, plain_key) = (Bucket::default(), Key::new("once")?, Key::new("plain")?);
    let ours = async || -> anyhow::Result<()> {
        let context = CallContext::default().for_operation();
        once.increment(&context, &bucket, &once_key, 1).await?;
        Ok(())
    };
    let theirs = async || -> anyhow::Result<()> {
        let context = CallContext::default().for_operation();
        plain.increment(&context, &bucket, &plain_key, 1).await?;
        Ok(())
    };
    let (ours, theirs) = in_turns(10, 300, 1, ours, theirs).await?;
    Ok(Row::beside(
        (work, "p50, 1 in flight", "us"),
        ours.p50_micros,
        (BESIDE, theirs.p50_micros),
    ))
}
