//! The store's own client, and a bare way to the serving process: requests of as many bytes, and as many at a
//! time, as a stream of the lattice has chunks on its way.

use std::time::Instant;

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    object_store::{Config, ObjectStore},
    stream::StorageType,
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncReadExt as _;
use wrt_protocol::limits::{CHUNK_BYTES_MAX, STREAM_CREDIT_CHUNKS};

use super::{DATA, OBJECT_BYTES, Place, rate};
use crate::serving::{CHUNK_SUBJECT, TAKEN_SUBJECT};

const KEPT: &str = "bare-kept";
const OBJECT: &str = "object";

/// A client without a lattice.
pub struct Bare {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    kept: ObjectStore,
}

impl Bare {
    pub async fn new(nats: &str) -> anyhow::Result<Self> {
        let client = async_nats::connect(nats).await?;
        let jetstream = jetstream::new(client.clone());
        let kept = make(&jetstream, KEPT).await?;
        kept.put(OBJECT, &mut &DATA[..]).await?;
        Ok(Self {
            client,
            jetstream,
            kept,
        })
    }

    pub async fn put(&self, place: Place) -> anyhow::Result<f64> {
        let bucket = "bare-bench";
        let store = make(&self.jetstream, bucket).await?;
        let began = Instant::now();
        if let Place::Elsewhere = place {
            let chunks = (0..OBJECT_BYTES).step_by(CHUNK_BYTES_MAX);
            let chunks = chunks.map(|start| DATA.slice(start..start + CHUNK_BYTES_MAX));
            self.requests(TAKEN_SUBJECT, chunks).await?;
        }
        store.put(OBJECT, &mut &DATA[..]).await?;
        let rate = rate(began);
        self.jetstream.delete_object_store(bucket).await?;
        Ok(rate)
    }

    pub async fn get(&self, place: Place) -> anyhow::Result<f64> {
        let began = Instant::now();
        if let Place::Elsewhere = place {
            let chunks = OBJECT_BYTES / CHUNK_BYTES_MAX;
            let asked = std::iter::repeat_n(Bytes::new(), chunks);
            let bytes = self.requests(CHUNK_SUBJECT, asked).await?;
            anyhow::ensure!(bytes == OBJECT_BYTES, "{bytes} bytes came");
        }
        let mut object = self.kept.get(OBJECT).await?;
        let (mut buffer, mut bytes) = (vec![0; CHUNK_BYTES_MAX], 0);
        loop {
            let read = object.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            bytes += read;
        }
        anyhow::ensure!(bytes == OBJECT_BYTES, "{bytes} bytes came");
        Ok(rate(began))
    }

    /// Asks the serving process so often; the bytes of all answers.
    async fn requests(
        &self,
        subject: &'static str,
        payloads: impl Iterator<Item = Bytes>,
    ) -> anyhow::Result<usize> {
        let requests = payloads.map(|payload| async {
            let reply = self.client.request(subject, payload).await;
            anyhow::Ok(reply.context("the serving process")?.payload.len())
        });
        let replies = stream::iter(requests).buffer_unordered(STREAM_CREDIT_CHUNKS as usize);
        replies
            .try_fold(0, |bytes, more| async move { Ok(bytes + more) })
            .await
    }
}

async fn make(jetstream: &jetstream::Context, bucket: &str) -> anyhow::Result<ObjectStore> {
    let config = Config {
        bucket: bucket.to_owned(),
        storage: StorageType::Memory,
        ..Config::default()
    };
    Ok(jetstream.create_object_store(config).await?)
}
