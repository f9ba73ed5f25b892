//! wasi:keyvalue on JetStream's key-value buckets: the streams and headers that NATS's own tools
//! know as such.

mod answers;
mod bucket;
mod listing;
mod names;
mod once;
mod record;

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Mutex, MutexGuard};
use wrt_contract::{CallContext, async_trait};
use wrt_keyvalue::{
    Bucket, Cursor, Key, KeyPage, KeyValue, KeyValueError, SwapOutcome, Version, Versioned,
    counter_add, counter_bytes,
    limits::{check_entries, check_keys, check_value, check_values},
};
use wrt_protocol::Hop;

pub(crate) use bucket::Buckets;
pub(crate) use names::{answers_stream_name, bucket_name};
use once::contended;
use record::Write;

use crate::Nats;

/// Keys of one batch that are on their way at a time.
const BATCH_CONCURRENCY: usize = 16;

/// Times that a writer reads a key and finds it changed when it writes, before so much contention
/// counts as overload.
const ROUNDS_MAX: usize = 256;

/// Those of this process that read a key to write it take turns, so that they contend with other processes only. Keys
/// share turns.
pub(crate) struct Turns {
    turns: [Mutex<()>; 64],
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            turns: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    fn of(&self, bucket: &Bucket, key: &Key) -> &Mutex<()> {
        let hash = self.hasher.hash_one((bucket, key));
        let at = usize::try_from(hash % self.turns.len() as u64).expect("less than 64");
        &self.turns[at]
    }
}

/// The revision of a key's last message: 0 where it never had one.
fn version(revision: u64) -> Version {
    Version(Bytes::copy_from_slice(&revision.to_be_bytes()))
}

fn revision(version: &Version) -> Result<u64, KeyValueError> {
    let bytes: Result<[u8; 8], _> = (*version.0).try_into();
    let bytes = bytes.map_err(|_length| KeyValueError::other("not a version of this provider"))?;
    Ok(u64::from_be_bytes(bytes))
}

impl Nats {
    /// Waits for the caller's turn at a key.
    async fn turn(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<MutexGuard<'_, ()>, KeyValueError> {
        let turn = self.buckets().turns().of(bucket, key).lock();
        Ok(context.bound(Hop::Backend, turn).await?)
    }

    async fn set_value(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        entry: usize,
    ) -> Result<(), KeyValueError> {
        if self.deduplicates_for().is_some() {
            return self.set_over(context, bucket, key, value, entry).await;
        }
        let write = Write {
            value,
            entry,
            expected: None,
            first: None,
        };
        self.write(context, bucket, key, write).await.map(drop)
    }
}

#[async_trait]
impl KeyValue for Nats {
    async fn get(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Option<Bytes>, KeyValueError> {
        Ok(self.read(context, bucket, key).await?.value)
    }

    async fn set(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
    ) -> Result<(), KeyValueError> {
        check_value(&value)?;
        self.set_value(context, bucket, key, value, 0).await
    }

    async fn delete(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<(), KeyValueError> {
        self.remove(context, bucket, (0, key)).await
    }

    async fn exists(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<bool, KeyValueError> {
        Ok(self.read(context, bucket, key).await?.value.is_some())
    }

    async fn list_keys(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError> {
        self.page(context, bucket, cursor).await
    }

    async fn increment(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        if self.deduplicates_for().is_some() {
            return self.increment_once(context, bucket, key, delta).await;
        }
        let _turn = self.turn(context, bucket, key).await?;
        for _round in 0..ROUNDS_MAX {
            let record = self.read(context, bucket, key).await?;
            let sum = counter_add(record.value.as_deref(), delta)?;
            let write = Write {
                value: counter_bytes(sum),
                entry: 0,
                expected: Some(record.revision),
                first: None,
            };
            if self.write(context, bucket, key, write).await? == SwapOutcome::Swapped {
                return Ok(sum);
            }
        }
        Err(contended(context))
    }

    async fn read_for_swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Versioned, KeyValueError> {
        let record = self.read(context, bucket, key).await?;
        Ok(Versioned {
            value: record.value,
            version: version(record.revision),
        })
    }

    async fn swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        expected: &Version,
        value: Bytes,
    ) -> Result<SwapOutcome, KeyValueError> {
        check_value(&value)?;
        if self.deduplicates_for().is_some() {
            return self.swap_once(context, bucket, key, expected, &value).await;
        }
        let write = Write {
            value,
            entry: 0,
            expected: Some(revision(expected)?),
            first: None,
        };
        self.write(context, bucket, key, write).await
    }

    async fn get_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        check_keys(keys)?;
        let reads: Vec<_> = keys
            .iter()
            .map(|key| self.get(context, bucket, key))
            .collect();
        let mut reads = stream::iter(reads).buffered(BATCH_CONCURRENCY);
        let mut values = Vec::with_capacity(keys.len());
        while let Some(value) = reads.try_next().await? {
            values.push(value);
            check_values(&values)?;
        }
        Ok(values)
    }

    async fn set_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        entries: &[(Key, Bytes)],
    ) -> Result<(), KeyValueError> {
        check_entries(entries)?;
        let write = |entry| self.write_entry(context, bucket, entry);
        let writes: Vec<_> = entries.iter().enumerate().map(write).collect();
        stream::iter(writes)
            .buffer_unordered(BATCH_CONCURRENCY)
            .try_collect()
            .await
    }

    async fn delete_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<(), KeyValueError> {
        check_keys(keys)?;
        let removes: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|entry| self.remove(context, bucket, entry))
            .collect();
        stream::iter(removes)
            .buffer_unordered(BATCH_CONCURRENCY)
            .try_collect()
            .await
    }
}
