//! What both drafts have in common: handles, and calls from a guest's types to the trait.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;
use wrt_contract::CallContext;
use wrt_host::InstanceState;

use super::error::HostError;
use crate::{
    Bucket, Cursor, Key, KeyPage, KeyValue, KeyValueError, KeyValueInterface, Limit, SwapOutcome,
    Versioned,
    limits::{BATCH_KEYS_MAX, SWAP_BYTES_MAX, SWAP_HANDLES_MAX},
};

/// An open bucket: a link, and a name.
#[derive(Clone)]
pub struct BucketHandle {
    store: Arc<dyn KeyValue>,
    bucket: Bucket,
}

/// A key as it was when the guest took the handle.
pub struct CasHandle {
    bucket: BucketHandle,
    key: Key,
    read: Versioned,
}

impl CasHandle {
    /// The value that it holds.
    pub(crate) fn current(&self) -> Option<Vec<u8>> {
        self.read.value.as_ref().map(|value| value.to_vec())
    }

    fn bytes(&self) -> usize {
        self.read.value.as_ref().map_or(0, Bytes::len) + self.read.version.0.len()
    }
}

/// Opens the bucket `identifier`. Whether its service is there shows at the first operation.
pub(crate) fn open(
    state: &mut InstanceState,
    identifier: &str,
) -> Result<Resource<BucketHandle>, HostError> {
    let store = state.link::<KeyValueInterface>(identifier);
    let store = store.ok_or(KeyValueError::NoSuchStore)?;
    let bucket = Bucket::new(identifier)?;
    Ok(state.table().push(BucketHandle { store, bucket })?)
}

/// A call on an open bucket. It owns what it needs: the instance's state cannot be borrowed while
/// the call is on its way.
pub(crate) struct Call {
    context: CallContext,
    handle: BucketHandle,
}

impl Call {
    pub(crate) fn on(
        state: &mut InstanceState,
        bucket: &Resource<BucketHandle>,
    ) -> Result<Self, HostError> {
        let handle = state.table().get(bucket)?.clone();
        let context = state.context().clone();
        Ok(Self { context, handle })
    }

    pub(crate) async fn get(self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        let Self { context, handle } = self;
        let value = handle
            .store
            .get(&context, &handle.bucket, &Key::new(key)?)
            .await?;
        Ok(value.map(Vec::from))
    }

    pub(crate) async fn set(self, key: &str, value: Vec<u8>) -> Result<(), HostError> {
        let Self { context, handle } = self;
        let key = Key::new(key)?;
        Ok(handle
            .store
            .set(&context, &handle.bucket, &key, value.into())
            .await?)
    }

    pub(crate) async fn delete(self, key: &str) -> Result<(), HostError> {
        let Self { context, handle } = self;
        Ok(handle
            .store
            .delete(&context, &handle.bucket, &Key::new(key)?)
            .await?)
    }

    pub(crate) async fn exists(self, key: &str) -> Result<bool, HostError> {
        let Self { context, handle } = self;
        Ok(handle
            .store
            .exists(&context, &handle.bucket, &Key::new(key)?)
            .await?)
    }

    pub(crate) async fn list_keys(self, cursor: Option<Cursor>) -> Result<KeyPage, HostError> {
        let Self { context, handle } = self;
        Ok(handle
            .store
            .list_keys(&context, &handle.bucket, cursor)
            .await?)
    }

    pub(crate) async fn increment(self, key: &str, delta: i64) -> Result<i64, HostError> {
        let Self { context, handle } = self;
        let key = Key::new(key)?;
        Ok(handle
            .store
            .increment(&context, &handle.bucket, &key, delta)
            .await?)
    }

    pub(crate) async fn get_many(self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, HostError> {
        let Self { context, handle } = self;
        let keys = checked_keys(keys)?;
        let values = handle
            .store
            .get_many(&context, &handle.bucket, &keys)
            .await?;
        // A provider on another node may be another version of this program, or a broken one.
        if values.len() != keys.len() {
            return Err(KeyValueError::other("the provider answered for other keys").into());
        }
        Ok(values
            .into_iter()
            .map(|value| value.map(Vec::from))
            .collect())
    }

    pub(crate) async fn set_many(self, entries: Vec<(String, Vec<u8>)>) -> Result<(), HostError> {
        let Self { context, handle } = self;
        Limit::BatchKeys.check(entries.len(), BATCH_KEYS_MAX)?;
        let checked = |(key, value): (String, Vec<u8>)| Ok((Key::new(&key)?, Bytes::from(value)));
        let entries = entries.into_iter().map(checked);
        let entries: Vec<_> = entries.collect::<Result<_, KeyValueError>>()?;
        Ok(handle
            .store
            .set_many(&context, &handle.bucket, &entries)
            .await?)
    }

    pub(crate) async fn delete_many(self, keys: &[String]) -> Result<(), HostError> {
        let Self { context, handle } = self;
        let keys = checked_keys(keys)?;
        Ok(handle
            .store
            .delete_many(&context, &handle.bucket, &keys)
            .await?)
    }

    /// Reads a key for a cas handle.
    pub(crate) async fn read_for_swap(self, key: &str) -> Result<CasHandle, HostError> {
        let Self { context, handle } = self;
        let key = Key::new(key)?;
        let read = handle
            .store
            .read_for_swap(&context, &handle.bucket, &key)
            .await?;
        Ok(CasHandle {
            bucket: handle,
            key,
            read,
        })
    }
}

/// Swaps, and reads the key anew when it had changed.
pub(crate) async fn swap(
    context: &CallContext,
    cas: CasHandle,
    value: Vec<u8>,
) -> Result<Option<CasHandle>, HostError> {
    let CasHandle {
        bucket: handle,
        key,
        read,
    } = cas;
    let BucketHandle { store, bucket } = &handle;
    match store
        .swap(context, bucket, &key, &read.version, value.into())
        .await?
    {
        SwapOutcome::Swapped => Ok(None),
        SwapOutcome::Failed => {
            let read = store.read_for_swap(context, bucket, &key).await?;
            Ok(Some(CasHandle {
                bucket: handle,
                key,
                read,
            }))
        }
    }
}

/// Gives the guest a cas handle, if it does not hold too many.
pub(crate) fn hold(
    state: &mut InstanceState,
    cas: CasHandle,
) -> Result<Resource<CasHandle>, HostError> {
    let (mut handles, mut bytes) = (1, cas.bytes());
    for entry in state.table().iter_mut() {
        if let Some(held) = entry.downcast_ref::<CasHandle>() {
            handles += 1;
            bytes += held.bytes();
        }
    }
    Limit::SwapHandles.check(handles, SWAP_HANDLES_MAX)?;
    Limit::SwapBytes.check(bytes, SWAP_BYTES_MAX)?;
    Ok(state.table().push(cas)?)
}

fn checked_keys(keys: &[String]) -> Result<Vec<Key>, KeyValueError> {
    Limit::BatchKeys.check(keys.len(), BATCH_KEYS_MAX)?;
    keys.iter().map(|key| Key::new(key)).collect()
}
