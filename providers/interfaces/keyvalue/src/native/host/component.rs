//! Export glue: a component that is a key-value store for others, a cache or a namespace for
//! instance.
//!
//! Each operation opens the bucket anew, in whichever instance it is given: the lattice's operations are
//! self-contained, and a handle would tie them to one instance. A version for a swap is the value
//! that was read, which is compared by the guest's own cas.

mod open;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use wrt_contract::{CallContext, async_trait};
use wrt_host::{Instances, guest_fault};

use self::{
    bindings::exports::wasi::keyvalue::{atomics, batch, store},
    open::{Export, Failure, Open},
};
use crate::{
    Bucket, Cursor, Key, KeyPage, KeyValue, KeyValueError, SwapOutcome, Version, Versioned,
    limits::{PAGE_KEYS_MAX, check_entries, check_keys, check_value, check_values},
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
    export: Arc<Export>,
}

impl KeyValueComponent {
    /// The component behind `instances`; `None` if it is no store.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let export = Export::of(instances.instance_pre(), |_interface| true)?;
        Ok(export.map(|export| Self {
            instances,
            export: Arc::new(export),
        }))
    }

    /// Lets `work` call an instance in which `bucket` is open.
    async fn on<T: Send + 'static>(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        work: impl for<'a> FnOnce(&'a mut Open) -> BoxFuture<'a, Result<T, Failure>> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let pre = self.instances.instance_pre().clone();
        let (export, bucket) = (Arc::clone(&self.export), bucket.clone());
        let prepared = self.instances.prepare(context);
        let called = prepared.call(move |lent| async move {
            let mut open = Open::new(lent, &pre, export, &bucket).await?;
            let answer = work(&mut open).await;
            if !matches!(answer, Err(Failure::Ended(_))) {
                // The answer stands. An instance that cannot be tidied up is gone.
                let _retired = open.close().await;
            }
            answer
        });
        called.await.map_err(|failure| match failure {
            Failure::Told(error) => error,
            Failure::Ended(error) => {
                let actor = self.instances.actor();
                tracing::warn!(%actor, ?error, "a component that is a store failed");
                KeyValueError::Fault(guest_fault(&error))
            }
        })
    }
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
        let key = key.clone();
        self.on(context, bucket, move |open| {
            async move { open.get(&key).await }.boxed()
        })
        .await
    }

    async fn set(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
    ) -> Result<(), KeyValueError> {
        check_value(&value)?;
        let key = key.clone();
        self.on(context, bucket, move |open| {
            async move { open.set(&key, &value).await }.boxed()
        })
        .await
    }

    async fn delete(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<(), KeyValueError> {
        let key = key.clone();
        self.on(context, bucket, move |open| {
            async move { open.delete(&key).await }.boxed()
        })
        .await
    }

    async fn exists(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<bool, KeyValueError> {
        let key = key.clone();
        self.on(context, bucket, move |open| {
            async move { open.exists(&key).await }.boxed()
        })
        .await
    }

    async fn list_keys(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError> {
        let page = self
            .on(context, bucket, move |open| {
                async move { open.list_keys(cursor).await }.boxed()
            })
            .await?;
        if page.keys.len() > PAGE_KEYS_MAX {
            let count = page.keys.len();
            return Err(KeyValueError::other(format!(
                "a page of {count} keys, of at most {PAGE_KEYS_MAX}"
            )));
        }
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
        let key = key.clone();
        self.on(context, bucket, move |open| {
            async move { open.increment(&key, delta).await }.boxed()
        })
        .await
    }

    async fn read_for_swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Versioned, KeyValueError> {
        let value = self.get(context, bucket, key).await?;
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
        check_value(&value)?;
        let (key, expected) = (key.clone(), expected.clone());
        self.on(context, bucket, move |open| {
            let swapped = async move {
                let (cas, current) = open.read(&key).await?;
                if version(current.as_ref()) != expected {
                    open.give_up(cas).await?;
                    return Ok(SwapOutcome::Failed);
                }
                open.swap(cas, &value).await
            };
            swapped.boxed()
        })
        .await
    }

    async fn get_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        let values = self
            .on(context, bucket, move |open| {
                async move { open.get_many(&keys).await }.boxed()
            })
            .await?;
        check_values(&values)?;
        Ok(values)
    }

    async fn set_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        entries: &[(Key, Bytes)],
    ) -> Result<(), KeyValueError> {
        check_entries(entries)?;
        let entries = entries.to_vec();
        self.on(context, bucket, move |open| {
            async move { open.set_many(&entries).await }.boxed()
        })
        .await
    }

    async fn delete_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<(), KeyValueError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        self.on(context, bucket, move |open| {
            async move { open.delete_many(&keys).await }.boxed()
        })
        .await
    }
}
