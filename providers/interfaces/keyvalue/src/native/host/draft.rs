//! `wasi:keyvalue@0.2.0-draft`.

use wasmtime::component::{HasSelf, Linker, Resource};
use wrt_host::InstanceState;

pub(super) use self::bindings::wasi::keyvalue::{atomics, batch, store};
use super::{
    call::{self, BucketHandle, Call},
    error::{HostError, Words},
};
use crate::{Cursor, KeyValueError};

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/keyvalue-0.2.0-draft",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::host::call::BucketHandle,
        },
        trappable_error_type: {
            "wasi:keyvalue/store.error" => crate::host::error::HostError,
        },
    });
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    atomics::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    batch::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl From<Words> for store::Error {
    fn from(words: Words) -> Self {
        match words {
            Words::NoSuchStore => Self::NoSuchStore,
            Words::AccessDenied => Self::AccessDenied,
            Words::Other(text) => Self::Other(text),
        }
    }
}

impl store::Host for InstanceState {
    async fn open(&mut self, identifier: String) -> Result<Resource<BucketHandle>, HostError> {
        call::open(self, &identifier)
    }

    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<store::Error> {
        error.into_words().map(store::Error::from)
    }
}

impl store::HostBucket for InstanceState {
    async fn get(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
    ) -> Result<Option<Vec<u8>>, HostError> {
        Call::on(self, &bucket)?.get(&key).await
    }

    async fn set(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), HostError> {
        Call::on(self, &bucket)?.set(&key, value).await
    }

    async fn delete(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
    ) -> Result<(), HostError> {
        Call::on(self, &bucket)?.delete(&key).await
    }

    async fn exists(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
    ) -> Result<bool, HostError> {
        Call::on(self, &bucket)?.exists(&key).await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<BucketHandle>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, HostError> {
        let page = Call::on(self, &bucket)?
            .list_keys(cursor.map(Cursor))
            .await?;
        Ok(store::KeyResponse {
            keys: page
                .keys
                .iter()
                .map(|key| key.as_str().to_owned())
                .collect(),
            cursor: page.next.map(|cursor| cursor.0),
        })
    }

    async fn drop(&mut self, bucket: Resource<BucketHandle>) -> wasmtime::Result<()> {
        self.table().delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for InstanceState {
    /// The lattice's counters are signed. What this draft's unsigned ones cannot say, or what they
    /// can and the lattice's cannot, is an error: never a number that has wrapped around.
    async fn increment(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
        delta: u64,
    ) -> Result<u64, HostError> {
        let overflow = |_too_large| KeyValueError::CounterOverflow;
        let delta = i64::try_from(delta).map_err(overflow)?;
        let sum = Call::on(self, &bucket)?.increment(&key, delta).await?;
        let negative = |_negative| KeyValueError::NegativeCounter;
        Ok(u64::try_from(sum).map_err(negative)?)
    }
}

impl batch::Host for InstanceState {
    async fn get_many(
        &mut self,
        bucket: Resource<BucketHandle>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, HostError> {
        let values = Call::on(self, &bucket)?.get_many(&keys).await?;
        let entries = keys.into_iter().zip(values);
        Ok(entries.map(|(key, value)| Some((key, value?))).collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<BucketHandle>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), HostError> {
        Call::on(self, &bucket)?.set_many(entries).await
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<BucketHandle>,
        keys: Vec<String>,
    ) -> Result<(), HostError> {
        Call::on(self, &bucket)?.delete_many(&keys).await
    }
}
