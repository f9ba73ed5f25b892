//! What a guest calls: the store that the manifest's link `wasi:keyvalue` leads to.

mod error;
mod keys;

use bindings::wasi::keyvalue::{atomics, batch, store};

pub use error::Error;
pub use keys::Keys;

/// Opens the bucket of a name; any name is a bucket, which is empty until the first write. A name
/// that is the name of a link is a bucket of that link's store.
///
/// # Errors
/// [`Error::NoSuchStore`] where nothing is linked.
pub fn open(name: &str) -> Result<Bucket, Error> {
    Ok(Bucket(store::open(name)?))
}

/// Keys with values.
#[derive(Debug)]
pub struct Bucket(store::Bucket);

/// Each operation fails as the store fails, and with nothing else.
impl Bucket {
    /// The value of a key; none where it does not exist.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(key)?)
    }

    /// Sets a key, whether it exists or not.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(self.0.set(key, value)?)
    }

    /// Removes a key; one that does not exist is no error.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.0.delete(key)?)
    }

    /// Whether a key exists.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.0.exists(key)?)
    }

    /// All keys, in no particular order, asked for page by page.
    #[must_use]
    pub fn keys(&self) -> Keys<'_> {
        Keys::of(&self.0)
    }

    /// One page of the keys: the first one, or the one at which a page before says that the next one
    /// starts.
    pub fn page(&self, cursor: Option<&str>) -> Result<Page, Error> {
        let store::KeyResponse { keys, cursor } = self.0.list_keys(cursor)?;
        let next = cursor;
        Ok(Page { keys, next })
    }

    /// Adds to the number that a key holds, as one step, and returns the sum. A key that does not
    /// exist counts as zero and is created; the number is kept as decimal text.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }

    /// A key as it is now, for a [`Current::swap`].
    pub fn current(&self, key: &str) -> Result<Current, Error> {
        Current::read(atomics::Cas::new(&self.0, key)?)
    }

    /// The values of several keys, at the positions of their keys.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let found = batch::get_many(&self.0, keys)?;
        Ok(found.into_iter().map(|(_key, value)| value).collect())
    }

    /// Sets several keys. It is not one step: when it fails, some may be set.
    pub fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
        Ok(batch::set_many(&self.0, entries)?)
    }

    /// Removes several keys. It is not one step: when it fails, some may be removed.
    pub fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        Ok(batch::delete_many(&self.0, keys)?)
    }
}

/// One page of keys. It may be empty although others follow.
#[derive(Debug)]
pub struct Page {
    /// The keys, in no particular order.
    pub keys: Vec<String>,
    /// Where the next page starts; none after the last one.
    pub next: Option<String>,
}

/// A key as it was when it was read.
#[derive(Debug)]
pub struct Current {
    cas: atomics::Cas,
    value: Option<Vec<u8>>,
}

impl Current {
    fn read(cas: atomics::Cas) -> Result<Self, Error> {
        let value = cas.current()?;
        Ok(Self { cas, value })
    }

    /// The value; none where the key did not exist.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// Sets the key on condition that it still is as it was read.
    ///
    /// # Errors
    /// Those of the store. A key that has changed is no error.
    pub fn swap(self, value: &[u8]) -> Result<Swap, Error> {
        match atomics::swap(self.cas, value) {
            Ok(()) => Ok(Swap::Done),
            Err(atomics::CasError::CasFailed(newer)) => Ok(Swap::Changed(Self::read(newer)?)),
            Err(atomics::CasError::StoreError(error)) => Err(error.into()),
        }
    }
}

/// What came of a swap.
#[derive(Debug)]
#[must_use = "a swap may have done nothing"]
pub enum Swap {
    /// The key has the new value.
    Done,
    /// Somebody was faster, and nothing was set. This is the key as it is now.
    Changed(Current),
}

/// Generated from `wit/`.
mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        clippy::all,
        reason = "written by wit-bindgen"
    )]
    wit_bindgen::generate!({
        inline: "
            package wrt:keyvalue-guest;
            world keyvalue {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        path: "../../../wit/deps/keyvalue-0.2.0-draft2",
        generate_all,
    });
}
