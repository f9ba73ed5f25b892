//! The in-memory provider: bounded, and gone with its process.

mod answers;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    fmt,
    ops::Bound,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use wrt_contract::{CallContext, Fences, async_trait};
use wrt_protocol::Hop;
use wrt_runtime::{Backend, Serves, SettingsError};

use self::answers::FirstAnswers;
use crate::{
    Bucket, Cursor, FirstAnswer, Key, KeyPage, KeyValue, KeyValueError, KeyValueInterface,
    SwapOutcome, Version, Versioned, WasiKeyValue, counter_add, counter_bytes,
    limits::{
        PAGE_KEYS_MAX, check_deduplicate_for, check_entries, check_keys, check_value, check_values,
    },
};

/// What an entry takes beside its key and value, roughly; it also bounds the number of entries.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// How the in-memory provider is set up.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct MemoryConfig {
    /// Keys, values and 128 bytes for each entry, of all buckets together. A write beyond it is
    /// refused with [`KeyValueError::Full`]; nothing is evicted.
    #[config(default = 67_108_864)]
    pub bytes_max: usize,
    /// For how long the first answer of an increment or a swap is given again under the same
    /// idempotency key: 11 seconds to an hour. Callers try a call again whose budget is at least a
    /// second shorter; the default one is 10 seconds. Each answer that is remembered counts as an
    /// entry.
    pub deduplicate_for_ms: Option<u64>,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            deduplicate_for_ms: None,
        }
    }
}

/// Buckets in the memory of this process.
pub struct KeyValueDefault {
    config: MemoryConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buckets: HashMap<Bucket, Entries>,
    bytes: usize,
    /// Grows with each write, so that no two writes share a number.
    revision: u64,
    answers: FirstAnswers,
    /// Whose writes may still come.
    fences: Fences,
}

/// One bucket. Listings go by the numbers that keys got when they were created: these do not
/// change, so a listing neither skips nor repeats a key that stays.
#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    by_created: BTreeMap<u64, Key>,
}

struct Entry {
    value: Bytes,
    created: u64,
    revision: u64,
}

impl Backend for KeyValueDefault {
    const NAME: &'static str = "memory";

    type ConnectOptions = MemoryConfig;
    type ConnectError = Infallible;

    async fn connect_with(config: MemoryConfig) -> Result<Self, Infallible> {
        Ok(Self::new(config))
    }

    fn check(config: &MemoryConfig) -> Result<(), SettingsError> {
        check_deduplicate_for(config.deduplicate_for_ms)
    }

    fn deduplicates_for_ms(config: &MemoryConfig) -> Option<u64> {
        config.deduplicate_for_ms
    }
}

impl Serves<WasiKeyValue> for KeyValueDefault {
    fn serve(entry: &mut wrt_runtime::Entry<Self>) {
        entry.offers::<KeyValueInterface>(|store| store);
    }
}

impl KeyValueDefault {
    /// An empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self {
            config,
            state: Mutex::default(),
        }
    }

    /// Runs a keyed operation, or gives its first answer again.
    fn once(
        &self,
        context: &CallContext,
        run: impl FnOnce(&mut State) -> Result<FirstAnswer, KeyValueError>,
    ) -> Result<FirstAnswer, KeyValueError> {
        let mut state = self.lock_to_write(context)?;
        let (Some(time), Some(key)) = (self.config.deduplicate_for_ms, context.key()) else {
            return run(&mut state);
        };
        state.answers.forget_old();
        if let Some(first) = state.answers.get(key) {
            return Ok(first);
        }
        // Before it runs: what has run must be remembered.
        if state.bytes_used() + ENTRY_OVERHEAD_BYTES > self.config.bytes_max {
            return Err(KeyValueError::Full);
        }
        let answer = run(&mut state)?;
        let time = Duration::from_millis(time);
        state.answers.insert(key, answer, time);
        Ok(answer)
    }

    /// For a write, which none of an earlier holder of its lease follows.
    fn lock_to_write(&self, context: &CallContext) -> Result<MutexGuard<'_, State>, KeyValueError> {
        let mut state = self.lock();
        if let Some(fence) = context.fence() {
            state.fences.check(fence, Instant::now(), Hop::Backend)?;
        }
        Ok(state)
    }

    /// A panic unlocks it: no operation leaves the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Default for KeyValueDefault {
    fn default() -> Self {
        Self::new(MemoryConfig::default())
    }
}

impl fmt::Debug for KeyValueDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValueDefault")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Entries and first answers together.
    fn bytes_used(&mut self) -> usize {
        self.answers.forget_old();
        self.bytes + self.answers.count() * ENTRY_OVERHEAD_BYTES
    }

    fn entry(&self, bucket: &Bucket, key: &Key) -> Option<&Entry> {
        self.buckets.get(bucket)?.by_key.get(key)
    }

    fn value(&self, bucket: &Bucket, key: &Key) -> Option<Bytes> {
        self.entry(bucket, key).map(|entry| entry.value.clone())
    }

    fn set(
        &mut self,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        bytes_max: usize,
    ) -> Result<(), KeyValueError> {
        let old = self
            .entry(bucket, key)
            .map_or(0, |entry| size(key, &entry.value));
        if self.bytes_used() - old + size(key, &value) > bytes_max {
            return Err(KeyValueError::Full);
        }
        self.bytes = self.bytes - old + size(key, &value);
        self.revision += 1;
        let revision = self.revision;
        // The guest's bytes may be a slice of a larger message, which would stay alive with them.
        let value = Bytes::copy_from_slice(&value);
        let entries = self.buckets.entry(bucket.clone()).or_default();
        if let Some(entry) = entries.by_key.get_mut(key) {
            entry.value = value;
            entry.revision = revision;
        } else {
            entries.by_created.insert(revision, key.clone());
            let entry = Entry {
                value,
                created: revision,
                revision,
            };
            entries.by_key.insert(key.clone(), entry);
        }
        Ok(())
    }

    fn increment(
        &mut self,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
        bytes_max: usize,
    ) -> Result<i64, KeyValueError> {
        let sum = counter_add(self.entry(bucket, key).map(|entry| &*entry.value), delta)?;
        self.set(bucket, key, counter_bytes(sum), bytes_max)?;
        Ok(sum)
    }

    fn delete(&mut self, bucket: &Bucket, key: &Key) {
        let Some(entries) = self.buckets.get_mut(bucket) else {
            return;
        };
        if let Some(entry) = entries.by_key.remove(key) {
            entries.by_created.remove(&entry.created);
            self.bytes -= size(key, &entry.value);
        }
        if entries.by_key.is_empty() {
            self.buckets.remove(bucket);
        }
    }

    fn page(&self, bucket: &Bucket, after: Cursor) -> KeyPage {
        let Some(entries) = self.buckets.get(bucket) else {
            return KeyPage::default();
        };
        let mut rest = entries
            .by_created
            .range((Bound::Excluded(after.0), Bound::Unbounded));
        let page: Vec<_> = rest.by_ref().take(PAGE_KEYS_MAX).collect();
        let last = page.last().map(|(created, _)| Cursor(**created));
        KeyPage {
            keys: page.into_iter().map(|(_, key)| key.clone()).collect(),
            next: last.filter(|_| rest.next().is_some()),
        }
    }
}

fn size(key: &Key, value: &Bytes) -> usize {
    key.as_str().len() + value.len() + ENTRY_OVERHEAD_BYTES
}

/// The revision; 0 for a key that does not exist.
fn version(entry: Option<&Entry>) -> Version {
    let revision = entry.map_or(0, |entry| entry.revision);
    Version(Bytes::copy_from_slice(&revision.to_be_bytes()))
}

#[async_trait]
impl KeyValue for KeyValueDefault {
    async fn get(
        &self,
        _context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Option<Bytes>, KeyValueError> {
        Ok(self.lock().value(bucket, key))
    }

    async fn set(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
    ) -> Result<(), KeyValueError> {
        check_value(&value)?;
        let mut state = self.lock_to_write(context)?;
        state.set(bucket, key, value, self.config.bytes_max)
    }

    async fn delete(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<(), KeyValueError> {
        self.lock_to_write(context)?.delete(bucket, key);
        Ok(())
    }

    async fn exists(
        &self,
        _context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<bool, KeyValueError> {
        Ok(self.lock().entry(bucket, key).is_some())
    }

    async fn list_keys(
        &self,
        _context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError> {
        Ok(self.lock().page(bucket, cursor.unwrap_or(Cursor(0))))
    }

    async fn increment(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        let answer = self.once(context, |state| {
            let sum = state.increment(bucket, key, delta, self.config.bytes_max);
            FirstAnswer::of_increment(&sum).map_or_else(|| sum.map(FirstAnswer::Sum), Ok)
        })?;
        answer.into_increment()
    }

    async fn read_for_swap(
        &self,
        _context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Versioned, KeyValueError> {
        let state = self.lock();
        let entry = state.entry(bucket, key);
        Ok(Versioned {
            value: entry.map(|entry| entry.value.clone()),
            version: version(entry),
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
        let answer = self.once(context, |state| {
            if version(state.entry(bucket, key)) != *expected {
                return Ok(FirstAnswer::Failed);
            }
            state.set(bucket, key, value, self.config.bytes_max)?;
            Ok(FirstAnswer::Swapped)
        })?;
        answer.into_swap()
    }

    async fn get_many(
        &self,
        _context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        check_keys(keys)?;
        let state = self.lock();
        let values: Vec<_> = keys.iter().map(|key| state.value(bucket, key)).collect();
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
        let mut state = self.lock_to_write(context)?;
        for (key, value) in entries {
            state.set(bucket, key, value.clone(), self.config.bytes_max)?;
        }
        Ok(())
    }

    async fn delete_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<(), KeyValueError> {
        check_keys(keys)?;
        let mut state = self.lock_to_write(context)?;
        keys.iter().for_each(|key| state.delete(bucket, key));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
