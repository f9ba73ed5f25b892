//! What is built into a node: the trait, its host glue, its memory and its suite.

mod counter;
mod error;
mod first_answer;
mod memory;
mod name;
mod page;
mod version;

pub mod conformance;
pub mod host;
pub mod limits;

use bytes::Bytes;
use wrt_contract::CallContext;

pub use counter::{counter_add, counter_bytes};
pub use error::{KeyValueError, Limit};
pub use first_answer::{FirstAnswer, FirstAnswerError};
pub use host::{KeyValueComponent, WasiKeyValue};
pub use memory::{KeyValueDefault, MemoryConfig};
pub use name::{Bucket, Key};
pub use page::{Cursor, KeyPage};
pub use version::{SwapOutcome, Version, Versioned};

/// Keys with values, in buckets.
///
/// Any bucket exists: it is a namespace of its provider, empty until the first write. Two links to
/// one provider see the same buckets.
///
/// A provider may be told to deduplicate for a stated time. A keyed operation that comes to it again
/// under its idempotency key then gives its [`FirstAnswer`] and changes nothing; so it may be tried
/// again like a read.
///
/// One key changes as a whole, and an operation sees every write that ended before it began. That
/// holds for each key on its own: a batch is not atomic.
#[wrt_contract::interface(name = "wasi:keyvalue", error = KeyValueError)]
pub trait KeyValue {
    /// The value of a key; none where it does not exist.
    #[operation(idempotent)]
    async fn get(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Option<Bytes>, KeyValueError>;

    /// Sets a key, whether it exists or not.
    #[operation(idempotent)]
    async fn set(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        #[bulk] value: Bytes,
    ) -> Result<(), KeyValueError>;

    /// Removes a key; one that does not exist is no error.
    #[operation(idempotent)]
    async fn delete(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<(), KeyValueError>;

    /// Whether a key exists.
    #[operation(idempotent)]
    async fn exists(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<bool, KeyValueError>;

    /// One page of the keys, from the start or from the cursor of the page before.
    ///
    /// A key that exists all the time while the pages are read is on at least one of them; one that
    /// is written meanwhile may be on two. A page may be empty although others follow. It holds at
    /// most [`limits::PAGE_KEYS_MAX`] keys.
    #[operation(idempotent)]
    async fn list_keys(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError>;

    /// Adds to the number that a key holds, and returns the sum, as one step. A key that does not
    /// exist counts as zero and is created.
    ///
    /// The number is kept as decimal text, so that `get` reads what `increment` wrote; see
    /// [`counter_add`].
    ///
    /// # Errors
    /// [`KeyValueError::NotAnInteger`] and [`KeyValueError::CounterOverflow`]; the key keeps its
    /// value then.
    #[operation(keyed)]
    async fn increment(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError>;

    /// A key as it is now, for a later [`KeyValue::swap`].
    #[operation(idempotent)]
    async fn read_for_swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Versioned, KeyValueError>;

    /// Sets a key on condition that it still is as it was read. Of any number of swaps with one
    /// version, at most one succeeds.
    ///
    /// A key that was changed and changed back, with the very same value, may count as unchanged:
    /// providers whose service knows no versions compare values.
    #[operation(keyed)]
    async fn swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        version: &Version,
        #[bulk] value: Bytes,
    ) -> Result<SwapOutcome, KeyValueError>;

    /// The values of several keys, at the positions of their keys; none where one does not exist.
    #[operation(idempotent)]
    async fn get_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>, KeyValueError>;

    /// Sets several keys, in no particular order. One that fails may have set some of them.
    #[operation(idempotent)]
    async fn set_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        entries: &[(Key, Bytes)],
    ) -> Result<(), KeyValueError>;

    /// Removes several keys, in no particular order; those that do not exist are skipped. One that
    /// fails may have removed some of them.
    #[operation(idempotent)]
    async fn delete_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<(), KeyValueError>;
}
