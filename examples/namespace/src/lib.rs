//! A key-value store for other components: each key gets a prefix, and what comes then is the store
//! that the manifest links this component to. So two apps can share a store without seeing each other.
//!
//! It exports wasi:keyvalue `store`, `atomics` and `batch`, and keeps nothing itself.

use std::cell::RefCell;

use bindings::exports::wasi::keyvalue::{
    atomics::{self, CasError},
    batch,
    store::{self, BucketBorrow, Error, KeyResponse},
};
use wrt_guest::keyvalue::{self, Current, Swap};

/// The variable that has the prefix. Without it, the keys pass as they are.
const PREFIX_VARIABLE: &str = "NAMESPACE";

struct Namespace;

bindings::export!(Namespace with_types_in bindings);

impl store::Guest for Namespace {
    type Bucket = Bucket;

    fn open(identifier: String) -> Result<store::Bucket, Error> {
        let inner = keyvalue::open(&identifier).map_err(told)?;
        let prefix = std::env::var(PREFIX_VARIABLE).unwrap_or_default();
        Ok(store::Bucket::new(Bucket { inner, prefix }))
    }
}

/// A bucket of the store behind, and what each key here begins with there.
struct Bucket {
    inner: keyvalue::Bucket,
    prefix: String,
}

impl Bucket {
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl store::GuestBucket for Bucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.inner.get(&self.key(&key)).map_err(told)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.inner.set(&self.key(&key), &value).map_err(told)
    }

    fn delete(&self, key: String) -> Result<(), Error> {
        self.inner.delete(&self.key(&key)).map_err(told)
    }

    fn exists(&self, key: String) -> Result<bool, Error> {
        self.inner.exists(&self.key(&key)).map_err(told)
    }

    /// A page of the store behind, without what is another namespace's.
    fn list_keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        let page = self.inner.page(cursor.as_deref()).map_err(told)?;
        let own = |key: &String| key.strip_prefix(&self.prefix).map(str::to_owned);
        Ok(KeyResponse {
            keys: page.keys.iter().filter_map(own).collect(),
            cursor: page.next,
        })
    }
}

impl batch::Guest for Namespace {
    fn get_many(
        bucket: BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        let bucket = bucket.get::<Bucket>();
        let inner: Vec<_> = keys.iter().map(|key| bucket.key(key)).collect();
        let values = bucket.inner.get_many(&inner).map_err(told)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    fn set_many(bucket: BucketBorrow<'_>, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        let bucket = bucket.get::<Bucket>();
        let inner = entries.into_iter();
        let inner: Vec<_> = inner
            .map(|(key, value)| (bucket.key(&key), value))
            .collect();
        bucket.inner.set_many(&inner).map_err(told)
    }

    fn delete_many(bucket: BucketBorrow<'_>, keys: Vec<String>) -> Result<(), Error> {
        let bucket = bucket.get::<Bucket>();
        let inner: Vec<_> = keys.iter().map(|key| bucket.key(key)).collect();
        bucket.inner.delete_many(&inner).map_err(told)
    }
}

/// A key as it was read. A swap takes it out.
struct Cas(RefCell<Option<Current>>);

impl Cas {
    fn handle(current: Current) -> atomics::Cas {
        atomics::Cas::new(Self(RefCell::new(Some(current))))
    }
}

impl atomics::GuestCas for Cas {
    fn new(bucket: BucketBorrow<'_>, key: String) -> Result<atomics::Cas, Error> {
        let bucket = bucket.get::<Bucket>();
        let current = bucket.inner.current(&bucket.key(&key)).map_err(told)?;
        Ok(Cas::handle(current))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        let current = self.0.borrow();
        Ok(current
            .as_ref()
            .and_then(Current::value)
            .map(<[u8]>::to_vec))
    }
}

impl atomics::Guest for Namespace {
    type Cas = Cas;

    fn increment(bucket: BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, Error> {
        let bucket = bucket.get::<Bucket>();
        let key = bucket.key(&key);
        bucket.inner.increment(&key, delta).map_err(told)
    }

    fn swap(cas: atomics::Cas, value: Vec<u8>) -> Result<(), CasError> {
        let current = cas.get::<Cas>().0.take();
        let current = current.expect("a swap consumes the handle, so there is one for each");
        match current.swap(&value) {
            Ok(Swap::Done) => Ok(()),
            Ok(Swap::Changed(newer)) => Err(CasError::CasFailed(Cas::handle(newer))),
            Err(error) => Err(CasError::StoreError(told(error))),
        }
    }
}

/// The error of the store behind is the error of this one.
fn told(error: keyvalue::Error) -> Error {
    match error {
        keyvalue::Error::NoSuchStore => Error::NoSuchStore,
        keyvalue::Error::AccessDenied => Error::AccessDenied,
        keyvalue::Error::Other(text) => Error::Other(text),
    }
}

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wrt:example-namespace;
            world namespace {
                export wasi:keyvalue/store@0.2.0-draft2;
                export wasi:keyvalue/atomics@0.2.0-draft2;
                export wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        path: "../../wit/deps/keyvalue-0.2.0-draft2",
        generate_all,
    });
}
