//! Export glue: a component that is a key-value store for others, a cache or a namespace for
//! instance.
//!
//! Each operation has an instance of its own, which opens the bucket anew: the lattice's operations
//! are self-contained, and a handle would tie them to one instance. A version for a swap is the value
//! that was read, which is compared by the guest's own cas.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{
    Store,
    component::{Instance, InstancePre, ResourceAny},
};
use wrt_contract::{CallContext, async_trait};
use wrt_host::{InstanceState, Instances, Leash, WallTimeExceeded, guest_fault};

use self::bindings::exports::wasi::keyvalue::{atomics, batch, store};
use crate::{
    Bucket, Cursor, Key, KeyPage, KeyValue, KeyValueError, SwapOutcome, Version, Versioned,
};

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        inline: "
            package wrt:keyvalue-component;

            world store {
                export wasi:keyvalue/store@0.2.0-draft2;
                export wasi:keyvalue/atomics@0.2.0-draft2;
                export wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        path: "../../../wit/deps/keyvalue-0.2.0-draft2",
        world: "wrt:keyvalue-component/store",
        exports: { default: async },
    });
}

/// The exports by which a component is a store.
pub(super) const EXPORTS: &[&str] = &["wasi:keyvalue/store@0.2.0-draft2"];

/// A component as a store. What it does not export, of `atomics` and `batch`, is done by what it
/// does where that is the same, and is an error of the interface's own where it is not.
pub struct KeyValueComponent {
    instances: Arc<dyn Instances>,
    store: store::GuestIndices,
    atomics: Option<atomics::GuestIndices>,
    batch: Option<batch::GuestIndices>,
}

impl KeyValueComponent {
    /// The component behind `instances`; `None` if it is no store.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let pre = instances.instance_pre().clone();
        let has = |interface: &str| exports(&pre, interface);
        if !has("store") {
            return Ok(None);
        }
        let atomics = has("atomics").then(|| atomics::GuestIndices::new(&pre));
        let batch = has("batch").then(|| batch::GuestIndices::new(&pre));
        Ok(Some(Self {
            store: store::GuestIndices::new(&pre)?,
            atomics: atomics.transpose()?,
            batch: batch.transpose()?,
            instances,
        }))
    }

    /// An instance with `bucket` open.
    async fn open(&self, context: &CallContext, bucket: &Bucket) -> Result<Open, KeyValueError> {
        let prepared = self.instances.prepare(context);
        let (mut store, leash) = (prepared.store, prepared.leash);
        let pre = self.instances.instance_pre();
        let instance = within(&leash, pre.instantiate_async(&mut store)).await?;
        let guest = self.store.load(&mut store, &instance).map_err(trapped)?;
        let opened = guest.call_open(&mut store, bucket.as_str());
        let bucket = within(&leash, opened).await?.map_err(told)?;
        Ok(Open {
            store,
            leash,
            instance,
            guest,
            bucket,
        })
    }

    fn atomics(&self, open: &mut Open) -> Result<atomics::Guest, KeyValueError> {
        let atomics = self.atomics.as_ref().ok_or_else(|| lacks("atomics"))?;
        let loaded = atomics.load(&mut open.store, &open.instance);
        loaded.map_err(trapped)
    }

    fn batch(&self, open: &mut Open) -> Result<Option<batch::Guest>, KeyValueError> {
        let Some(batch) = &self.batch else {
            return Ok(None);
        };
        let loaded = batch.load(&mut open.store, &open.instance);
        loaded.map(Some).map_err(trapped)
    }
}

/// An instance, and the bucket that it has open.
struct Open {
    store: Store<InstanceState>,
    leash: Arc<Leash>,
    instance: Instance,
    guest: store::Guest,
    bucket: ResourceAny,
}

impl Open {
    async fn get(&mut self, key: &Key) -> Result<Option<Bytes>, KeyValueError> {
        let bucket = self.guest.bucket();
        let got = bucket.call_get(&mut self.store, self.bucket, key.as_str());
        let value = within(&self.leash, got).await?.map_err(told)?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&mut self, key: &Key, value: &[u8]) -> Result<(), KeyValueError> {
        let bucket = self.guest.bucket();
        let set = bucket.call_set(&mut self.store, self.bucket, key.as_str(), value);
        within(&self.leash, set).await?.map_err(told)
    }

    async fn delete(&mut self, key: &Key) -> Result<(), KeyValueError> {
        let bucket = self.guest.bucket();
        let deleted = bucket.call_delete(&mut self.store, self.bucket, key.as_str());
        within(&self.leash, deleted).await?.map_err(told)
    }
}

fn exports(pre: &InstancePre<InstanceState>, interface: &str) -> bool {
    let name = format!("wasi:keyvalue/{interface}@0.2.0-draft2");
    let component = pre.component().component_type();
    component
        .exports(pre.engine())
        .any(|(known, _)| known == name)
}

/// Waits for the guest until the end of its leash; a trap is a fault.
async fn within<T>(
    leash: &Leash,
    work: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, KeyValueError> {
    let answer = tokio::time::timeout_at(leash.end(), work).await;
    let answer = answer.unwrap_or_else(|_elapsed| Err(WallTimeExceeded.into()));
    answer.map_err(trapped)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn trapped(error: wasmtime::Error) -> KeyValueError {
    tracing::warn!(?error, "a component that is a store failed");
    KeyValueError::Fault(guest_fault(&error))
}

fn told(error: store::Error) -> KeyValueError {
    match error {
        store::Error::NoSuchStore => KeyValueError::NoSuchStore,
        store::Error::AccessDenied => KeyValueError::AccessDenied,
        store::Error::Other(text) => KeyValueError::other(text),
    }
}

fn lacks(interface: &str) -> KeyValueError {
    KeyValueError::other(format!(
        "the component that is the store does not export wasi:keyvalue/{interface}@0.2.0-draft2"
    ))
}

/// A key that does not exist and one that is empty differ.
fn version(value: Option<&Bytes>) -> Version {
    match value {
        None => Version(Bytes::new()),
        Some(value) => Version([&[1], value.as_ref()].concat().into()),
    }
}

#[async_trait]
impl KeyValue for KeyValueComponent {
    async fn get(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Option<Bytes>, KeyValueError> {
        self.open(context, bucket).await?.get(key).await
    }

    async fn set(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
    ) -> Result<(), KeyValueError> {
        self.open(context, bucket).await?.set(key, &value).await
    }

    async fn delete(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<(), KeyValueError> {
        self.open(context, bucket).await?.delete(key).await
    }

    async fn exists(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<bool, KeyValueError> {
        let mut open = self.open(context, bucket).await?;
        let guest = open.guest.bucket();
        let asked = guest.call_exists(&mut open.store, open.bucket, key.as_str());
        within(&open.leash, asked).await?.map_err(told)
    }

    async fn list_keys(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError> {
        let mut open = self.open(context, bucket).await?;
        let cursor = cursor.map(|cursor| cursor.to_string());
        let guest = open.guest.bucket();
        let listed = guest.call_list_keys(&mut open.store, open.bucket, cursor.as_deref());
        let page = within(&open.leash, listed).await?.map_err(told)?;
        let keys = page.keys.iter().map(|key| Key::new(key));
        Ok(KeyPage {
            keys: keys.collect::<Result<_, _>>()?,
            next: page.cursor.map(|cursor| cursor.parse()).transpose()?,
        })
    }

    async fn increment(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        let mut open = self.open(context, bucket).await?;
        let atomics = self.atomics(&mut open)?;
        let sum = atomics.call_increment(&mut open.store, open.bucket, key.as_str(), delta);
        within(&open.leash, sum).await?.map_err(told)
    }

    async fn read_for_swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Versioned, KeyValueError> {
        let value = self.open(context, bucket).await?.get(key).await?;
        Ok(Versioned {
            version: version(value.as_ref()),
            value,
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
        let mut open = self.open(context, bucket).await?;
        let atomics = self.atomics(&mut open)?;
        let guest = atomics.cas();
        let cas = guest.call_new(&mut open.store, open.bucket, key.as_str());
        let cas = within(&open.leash, cas).await?.map_err(told)?;
        let current = guest.call_current(&mut open.store, cas);
        let current = within(&open.leash, current).await?.map_err(told)?;
        if version(current.map(Bytes::from).as_ref()) != *expected {
            return Ok(SwapOutcome::Failed);
        }
        let swapped = atomics.call_swap(&mut open.store, cas, &value);
        match within(&open.leash, swapped).await? {
            Ok(()) => Ok(SwapOutcome::Swapped),
            Err(atomics::CasError::CasFailed(_newer)) => Ok(SwapOutcome::Failed),
            Err(atomics::CasError::StoreError(error)) => Err(told(error)),
        }
    }

    async fn get_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        let mut open = self.open(context, bucket).await?;
        let Some(batch) = self.batch(&mut open)? else {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(open.get(key).await?);
            }
            return Ok(values);
        };
        let names: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let got = batch.call_get_many(&mut open.store, open.bucket, &names);
        let got = within(&open.leash, got).await?.map_err(told)?;
        if got.len() != keys.len() {
            return Err(KeyValueError::other("the store answered for other keys"));
        }
        Ok(got
            .into_iter()
            .map(|(_key, value)| value.map(Bytes::from))
            .collect())
    }

    async fn set_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        entries: &[(Key, Bytes)],
    ) -> Result<(), KeyValueError> {
        let mut open = self.open(context, bucket).await?;
        let Some(batch) = self.batch(&mut open)? else {
            for (key, value) in entries {
                open.set(key, value).await?;
            }
            return Ok(());
        };
        let owned = |(key, value): &(Key, Bytes)| (key.as_str().to_owned(), value.to_vec());
        let entries: Vec<_> = entries.iter().map(owned).collect();
        let set = batch.call_set_many(&mut open.store, open.bucket, &entries);
        within(&open.leash, set).await?.map_err(told)
    }

    async fn delete_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<(), KeyValueError> {
        let mut open = self.open(context, bucket).await?;
        let Some(batch) = self.batch(&mut open)? else {
            for key in keys {
                open.delete(key).await?;
            }
            return Ok(());
        };
        let names: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let deleted = batch.call_delete_many(&mut open.store, open.bucket, &names);
        within(&open.leash, deleted).await?.map_err(told)
    }
}
