//! `wasi:keyvalue@0.2.0-draft2`.

use wasmtime::component::{HasSelf, Linker, Resource};
use wrt_host::InstanceState;

pub(super) use self::bindings::wasi::keyvalue::{atomics, batch, store};
use super::{
    call::{self, BucketHandle, Call, CasHandle},
    error::{HostError, Words},
};
use crate::Cursor;

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/keyvalue-0.2.0-draft2",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::host::call::BucketHandle,
            "wasi:keyvalue/atomics.cas": crate::host::call::CasHandle,
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
        cursor: Option<String>,
    ) -> Result<store::KeyResponse, HostError> {
        let cursor = cursor.map(|text| text.parse::<Cursor>()).transpose()?;
        let page = Call::on(self, &bucket)?.list_keys(cursor).await?;
        Ok(store::KeyResponse {
            keys: page
                .keys
                .iter()
                .map(|key| key.as_str().to_owned())
                .collect(),
            cursor: page.next.map(|cursor| cursor.to_string()),
        })
    }

    async fn drop(&mut self, bucket: Resource<BucketHandle>) -> wasmtime::Result<()> {
        self.table().delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for InstanceState {
    async fn increment(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
        delta: i64,
    ) -> Result<i64, HostError> {
        Call::on(self, &bucket)?.increment(&key, delta).await
    }

    async fn swap(
        &mut self,
        cas: Resource<CasHandle>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let cas = self.table().delete(cas)?;
        let context = self.context().clone();
        let newer = match call::swap(&context, cas, value).await {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(newer)) => call::hold(self, newer),
            Err(error) => Err(error),
        };
        Ok(Err(match newer {
            Ok(newer) => atomics::CasError::CasFailed(newer),
            Err(error) => atomics::CasError::StoreError(error.into_words()?.into()),
        }))
    }
}

impl atomics::HostCas for InstanceState {
    async fn new(
        &mut self,
        bucket: Resource<BucketHandle>,
        key: String,
    ) -> Result<Resource<CasHandle>, HostError> {
        let cas = Call::on(self, &bucket)?.read_for_swap(&key).await?;
        call::hold(self, cas)
    }

    async fn current(&mut self, cas: Resource<CasHandle>) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.table().get(&cas)?.current())
    }

    async fn drop(&mut self, cas: Resource<CasHandle>) -> wasmtime::Result<()> {
        self.table().delete(cas)?;
        Ok(())
    }
}

impl batch::Host for InstanceState {
    async fn get_many(
        &mut self,
        bucket: Resource<BucketHandle>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, HostError> {
        let values = Call::on(self, &bucket)?.get_many(&keys).await?;
        Ok(keys.into_iter().zip(values).collect())
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
