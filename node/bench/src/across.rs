//! A key-value get from a host client on one node to the memory backend on another, beside a bare
//! NATS request and reply of the same size to the same process.

use bytes::Bytes;
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValueInterface};

use crate::{
    rounds::in_turns,
    row::Row,
    serving::{BARE_SUBJECT, Pair, VALUE_BYTES},
};

const WORK: &str = "keyvalue get, another node, memory";
const BESIDE: &str = "bare NATS request/reply";

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let pair = Pair::start().await?;
    let store = pair.remote::<KeyValueInterface>()?;
    let client = async_nats::connect(pair.nats.url()).await?;
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
