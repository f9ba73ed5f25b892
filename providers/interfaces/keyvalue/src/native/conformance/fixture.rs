//! A bucket of its own for a case, and short words for operations that must succeed.

use std::sync::Arc;

use bytes::Bytes;
use wrt_conformance::unique_name;
use wrt_contract::CallContext;

use crate::{Bucket, Cursor, Key, KeyValue, KeyValueError, SwapOutcome, Version, Versioned};

/// Pages after which a listing counts as endless. A provider may answer many empty ones where its
/// service holds other keys as well.
const PAGES_MAX: usize = 10_000;

/// What a case works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn KeyValue>,
    pub(crate) bucket: Bucket,
}

impl std::fmt::Debug for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixture")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// A call with the default budget.
pub(crate) fn context() -> CallContext {
    CallContext::default()
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).expect("a case names legal keys")
}

pub(crate) fn bytes(value: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(value.as_ref())
}

impl Fixture {
    pub(crate) fn new(case: &str, store: Arc<dyn KeyValue>) -> Self {
        let bucket = Bucket::new(&unique_name(case, 48)).expect("48 bytes are a legal name");
        Self { store, bucket }
    }

    /// The same store, and a bucket whose name goes on with `suffix`.
    pub(crate) fn beside(&self, suffix: &str) -> Self {
        let name = format!("{}{suffix}", self.bucket.as_str());
        let bucket = Bucket::new(&name).expect("a case names legal buckets");
        Self {
            store: Arc::clone(&self.store),
            bucket,
        }
    }

    pub(crate) async fn get(&self, name: &str) -> Option<Bytes> {
        let value = self.store.get(&context(), &self.bucket, &key(name)).await;
        value.unwrap_or_else(|error| panic!("get {name:?}: {error}"))
    }

    pub(crate) async fn set(&self, name: &str, value: impl AsRef<[u8]>) {
        let done = self
            .store
            .set(&context(), &self.bucket, &key(name), bytes(value))
            .await;
        done.unwrap_or_else(|error| panic!("set {name:?}: {error}"));
    }

    pub(crate) async fn delete(&self, name: &str) {
        let done = self
            .store
            .delete(&context(), &self.bucket, &key(name))
            .await;
        done.unwrap_or_else(|error| panic!("delete {name:?}: {error}"));
    }

    pub(crate) async fn exists(&self, name: &str) -> bool {
        let exists = self
            .store
            .exists(&context(), &self.bucket, &key(name))
            .await;
        exists.unwrap_or_else(|error| panic!("exists {name:?}: {error}"))
    }

    pub(crate) async fn increment(&self, name: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.increment_as(&context(), name, delta).await
    }

    pub(crate) async fn increment_as(
        &self,
        context: &CallContext,
        name: &str,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        self.store
            .increment(context, &self.bucket, &key(name), delta)
            .await
    }

    pub(crate) async fn read(&self, name: &str) -> Versioned {
        let read = self
            .store
            .read_for_swap(&context(), &self.bucket, &key(name))
            .await;
        read.unwrap_or_else(|error| panic!("read {name:?} for swap: {error}"))
    }

    pub(crate) async fn swap(
        &self,
        name: &str,
        version: &Version,
        value: impl AsRef<[u8]>,
    ) -> SwapOutcome {
        self.swap_as(&context(), name, version, value).await
    }

    pub(crate) async fn swap_as(
        &self,
        context: &CallContext,
        name: &str,
        version: &Version,
        value: impl AsRef<[u8]>,
    ) -> SwapOutcome {
        let (key, value) = (key(name), bytes(value));
        let outcome = self
            .store
            .swap(context, &self.bucket, &key, version, value)
            .await;
        outcome.unwrap_or_else(|error| panic!("swap {name:?}: {error}"))
    }

    pub(crate) async fn delete_many(&self, keys: &[Key]) {
        let done = self.store.delete_many(&context(), &self.bucket, keys).await;
        done.unwrap_or_else(|error| panic!("delete {} keys: {error}", keys.len()));
    }

    pub(crate) async fn set_many(&self, entries: &[(Key, Bytes)]) {
        let done = self.store.set_many(&context(), &self.bucket, entries).await;
        done.unwrap_or_else(|error| panic!("set {} keys: {error}", entries.len()));
    }

    /// Every key, sorted, as often as it was listed.
    pub(crate) async fn list(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut cursor = None;
        for _page in 0..PAGES_MAX {
            cursor = self.page(cursor, &mut keys).await;
            if cursor.is_none() {
                keys.sort_unstable();
                return keys;
            }
        }
        panic!("the cursor does not end");
    }

    /// Adds one page to `keys` and returns where the next one starts.
    pub(crate) async fn page(
        &self,
        cursor: Option<Cursor>,
        keys: &mut Vec<String>,
    ) -> Option<Cursor> {
        let page = self.store.list_keys(&context(), &self.bucket, cursor).await;
        let page = page.unwrap_or_else(|error| panic!("list from {cursor:?}: {error}"));
        let max = crate::limits::PAGE_KEYS_MAX;
        assert!(page.keys.len() <= max, "a page of {} keys", page.keys.len());
        keys.extend(page.keys.iter().map(|key| key.as_str().to_owned()));
        page.next
    }
}
