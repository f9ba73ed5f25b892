//! Values that are computed seldom, kept in a store for a time.
//!
//! ```ignore
//! let prices = Cache::open("prices", Duration::from_secs(60))?;
//! let price: Price = prices.get_or_compute(item, || ask_for_price(item))?;
//! ```
//!
//! `wasi:keyvalue`, as published, knows no time to live. So each entry has its end in it, by the clock of the node
//! that wrote it, and one that is over counts as absent; it stays in the store until it is written anew or
//! removed. Where that grows too much, give the bucket an age in the service itself.
//!
//! Nobody waits for another: two that miss at once both compute, and the later one's value stays.

use std::{fmt::Display, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use wrt_http::wasip2::clocks::wall_clock;

use crate::{
    cache_entry::{self, Found},
    keyvalue::{self, Bucket, Error},
};

/// A part of a store.
#[derive(Debug)]
pub struct Cache {
    bucket: Bucket,
    keeps: Duration,
}

impl Cache {
    /// A cache in the bucket of a name, of whose entries each is kept for so long. The bucket is best its own: what
    /// is found there and is no entry counts as absent, and is never written over.
    ///
    /// # Errors
    /// As [`keyvalue::open`].
    pub fn open(bucket: &str, keeps: Duration) -> Result<Self, Error> {
        let bucket = keyvalue::open(bucket)?;
        Ok(Self { bucket, keeps })
    }

    /// The value of a key: what is kept, or what `compute` makes of it and is kept from then on.
    ///
    /// A store that fails costs no answer: the value is computed, and what the store said goes to stderr,
    /// which is in the node's log.
    ///
    /// # Errors
    /// What `compute` returns; nothing is kept then.
    pub fn get_or_compute<T, E>(
        &self,
        key: &str,
        compute: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
    {
        let found = self.find(key).unwrap_or_else(|error| {
            warn(key, &error);
            // Nobody knows what is there.
            Found::Another
        });
        let is_free = match found {
            Found::Value(value) => return Ok(value),
            Found::Nothing => true,
            Found::Another => false,
        };
        let value = compute()?;
        if is_free && let Err(error) = self.set(key, &value) {
            warn(key, &error);
        }
        Ok(value)
    }

    /// What is kept of a key, if it is not over. One of another type counts as absent.
    ///
    /// # Errors
    /// Those of the store.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        Ok(match self.find(key)? {
            Found::Value(value) => Some(value),
            Found::Nothing | Found::Another => None,
        })
    }

    /// Keeps a value, whatever was there.
    ///
    /// # Errors
    /// Those of the store; [`Error::Other`] of a value that cannot be JSON.
    pub fn set<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Error> {
        let entry = cache_entry::write(now() + self.keeps, value);
        let entry = entry.map_err(|error| Error::Other(error.to_string()))?;
        self.bucket.set(key, &entry)
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remove(&self, key: &str) -> Result<(), Error> {
        self.bucket.delete(key)
    }

    fn find<T: DeserializeOwned>(&self, key: &str) -> Result<Found<T>, Error> {
        let bytes = self.bucket.get(key)?;
        Ok(bytes.map_or(Found::Nothing, |bytes| cache_entry::read(&bytes, now())))
    }
}

/// The time since 1970.
fn now() -> Duration {
    let now = wall_clock::now();
    Duration::new(now.seconds, now.nanoseconds)
}

fn warn(key: &str, error: &dyn Display) {
    eprintln!("the cache of {key:?} is not used: {error}");
}
