//! An instance, and the bucket that it has open.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{Instance, InstancePre, ResourceAny};
use wrt_host::{InstanceState, Lent};

use super::{atomics, batch, store};
use crate::{Bucket, Cursor, Key, KeyValueError, SwapOutcome};

/// Which interfaces a component exports, and where.
pub(super) struct Export {
    store: store::GuestIndices,
    atomics: Option<atomics::GuestIndices>,
    batch: Option<batch::GuestIndices>,
}

impl Export {
    /// Those of `pre` for which `counts` holds; `None` if the store is not among them.
    pub(super) fn of(
        pre: &InstancePre<InstanceState>,
        counts: impl Fn(&str) -> bool,
    ) -> wasmtime::Result<Option<Self>> {
        let has = |interface: &str| counts(interface) && exports(pre, interface);
        if !has("store") {
            return Ok(None);
        }
        let atomics = has("atomics").then(|| atomics::GuestIndices::new(pre));
        let batch = has("batch").then(|| batch::GuestIndices::new(pre));
        Ok(Some(Self {
            store: store::GuestIndices::new(pre)?,
            atomics: atomics.transpose()?,
            batch: batch.transpose()?,
        }))
    }
}

fn exports(pre: &InstancePre<InstanceState>, interface: &str) -> bool {
    let name = format!("wasi:keyvalue/{interface}@0.2.0-draft2");
    let component = pre.component().component_type();
    component
        .exports(pre.engine())
        .any(|(known, _)| known == name)
}

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The guest said so.
    Told(KeyValueError),
    /// It was ended, by itself or by its limits.
    Ended(wasmtime::Error),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ended(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Told(match error {
            store::Error::NoSuchStore => KeyValueError::NoSuchStore,
            store::Error::AccessDenied => KeyValueError::AccessDenied,
            store::Error::Other(text) => KeyValueError::told(&text),
        })
    }
}

/// An instance with an open bucket.
pub(super) struct Open {
    lent: Lent,
    instance: Instance,
    export: Arc<Export>,
    guest: store::Guest,
    bucket: ResourceAny,
}

impl Open {
    pub(super) async fn new(
        mut lent: Lent,
        pre: &InstancePre<InstanceState>,
        export: Arc<Export>,
        bucket: &Bucket,
    ) -> Result<Self, Failure> {
        let instance = lent.instance(pre).await?;
        let guest = export.store.load(&mut lent, &instance)?;
        let bucket = guest.call_open(&mut lent, bucket.as_str()).await??;
        Ok(Self {
            lent,
            instance,
            export,
            guest,
            bucket,
        })
    }

    /// Closes the bucket, and lets the instance serve on.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        if self.lent.has_home() {
            self.bucket.resource_drop_async(&mut self.lent).await?;
            self.lent.keep();
        }
        Ok(())
    }

    pub(super) async fn get(&mut self, key: &Key) -> Result<Option<Bytes>, Failure> {
        let bucket = self.guest.bucket();
        let got = bucket.call_get(&mut self.lent, self.bucket, key.as_str());
        Ok(got.await??.map(Bytes::from))
    }

    pub(super) async fn set(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        let bucket = self.guest.bucket();
        let set = bucket.call_set(&mut self.lent, self.bucket, key.as_str(), value);
        Ok(set.await??)
    }

    pub(super) async fn delete(&mut self, key: &Key) -> Result<(), Failure> {
        let bucket = self.guest.bucket();
        let deleted = bucket.call_delete(&mut self.lent, self.bucket, key.as_str());
        Ok(deleted.await??)
    }

    pub(super) async fn exists(&mut self, key: &Key) -> Result<bool, Failure> {
        let bucket = self.guest.bucket();
        let asked = bucket.call_exists(&mut self.lent, self.bucket, key.as_str());
        Ok(asked.await??)
    }

    pub(super) async fn list_keys(
        &mut self,
        cursor: Option<Cursor>,
    ) -> Result<store::KeyResponse, Failure> {
        let bucket = self.guest.bucket();
        let cursor = cursor.map(|cursor| cursor.to_string());
        let listed = bucket.call_list_keys(&mut self.lent, self.bucket, cursor.as_deref());
        Ok(listed.await??)
    }

    pub(super) async fn increment(&mut self, key: &Key, delta: i64) -> Result<i64, Failure> {
        let atomics = self.atomics()?;
        let sum = atomics.call_increment(&mut self.lent, self.bucket, key.as_str(), delta);
        Ok(sum.await??)
    }

    /// A handle for a swap, and the value that it holds.
    pub(super) async fn read(
        &mut self,
        key: &Key,
    ) -> Result<(ResourceAny, Option<Bytes>), Failure> {
        let atomics = self.atomics()?;
        let guest = atomics.cas();
        let cas = guest.call_new(&mut self.lent, self.bucket, key.as_str());
        let cas = cas.await??;
        let current = guest.call_current(&mut self.lent, cas).await??;
        Ok((cas, current.map(Bytes::from)))
    }

    /// Gives up the handle of a swap that does not take place.
    pub(super) async fn give_up(&mut self, cas: ResourceAny) -> Result<(), Failure> {
        Ok(cas.resource_drop_async(&mut self.lent).await?)
    }

    pub(super) async fn swap(
        &mut self,
        cas: ResourceAny,
        value: &[u8],
    ) -> Result<SwapOutcome, Failure> {
        let atomics = self.atomics()?;
        match atomics.call_swap(&mut self.lent, cas, value).await? {
            Ok(()) => Ok(SwapOutcome::Swapped),
            Err(atomics::CasError::CasFailed(_newer)) => Ok(SwapOutcome::Failed),
            Err(atomics::CasError::StoreError(error)) => Err(error.into()),
        }
    }

    pub(super) async fn get_many(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Failure> {
        let Some(batch) = self.batch()? else {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(self.get(key).await?);
            }
            return Ok(values);
        };
        let names = names(keys);
        let got = batch.call_get_many(&mut self.lent, self.bucket, &names);
        let got = got.await??;
        if !got.iter().map(|(key, _)| key).eq(&names) {
            let told = KeyValueError::other("the store answered for other keys");
            return Err(Failure::Told(told));
        }
        let values = got.into_iter().map(|(_, value)| value.map(Bytes::from));
        Ok(values.collect())
    }

    pub(super) async fn set_many(&mut self, entries: &[(Key, Bytes)]) -> Result<(), Failure> {
        let Some(batch) = self.batch()? else {
            for (key, value) in entries {
                self.set(key, value).await?;
            }
            return Ok(());
        };
        let owned = |(key, value): &(Key, Bytes)| (key.as_str().to_owned(), value.to_vec());
        let entries: Vec<_> = entries.iter().map(owned).collect();
        let set = batch.call_set_many(&mut self.lent, self.bucket, &entries);
        Ok(set.await??)
    }

    pub(super) async fn delete_many(&mut self, keys: &[Key]) -> Result<(), Failure> {
        let Some(batch) = self.batch()? else {
            for key in keys {
                self.delete(key).await?;
            }
            return Ok(());
        };
        let names = names(keys);
        let deleted = batch.call_delete_many(&mut self.lent, self.bucket, &names);
        Ok(deleted.await??)
    }

    fn atomics(&mut self) -> Result<atomics::Guest, Failure> {
        let Some(atomics) = &self.export.atomics else {
            let told = "the component that is the store does not export \
                        wasi:keyvalue/atomics@0.2.0-draft2";
            return Err(Failure::Told(KeyValueError::other(told)));
        };
        Ok(atomics.load(&mut self.lent, &self.instance)?)
    }

    fn batch(&mut self) -> Result<Option<batch::Guest>, Failure> {
        let Some(batch) = &self.export.batch else {
            return Ok(None);
        };
        Ok(Some(batch.load(&mut self.lent, &self.instance)?))
    }
}

fn names(keys: &[Key]) -> Vec<String> {
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}
