//! wasi:keyvalue.

mod once;

use bytes::Bytes;
use redis::{Cmd, cmd};
use wrt_contract::{CallContext, async_trait};
use wrt_keyvalue::{
    Bucket, Cursor, Key, KeyPage, KeyValue, KeyValueError, SwapOutcome, Version, Versioned,
    limits::{PAGE_KEYS_MAX, check_entries, check_keys, check_value, check_values},
};

use crate::{Redis, error::counter_failure, layout::guest_key};

/// How many keys the server is asked to look at for one scan. It may return a few more: whole slots
/// of its table, and two tables while it grows.
const SCAN_KEYS: usize = PAGE_KEYS_MAX / 4;

/// Scans for one page. Where other keys are many more than the bucket's, pages may be empty.
const SCANS_MAX: usize = 64;

/// Keys that one MGET asks for, so that its answer stays in bounds before it is measured.
const GET_KEYS_MAX: usize = 32;

/// Compares and sets as one step. A version is `\0` for an absent key, and else `\1` and the value.
const SWAP: &str = r"
local value = redis.call('GET', KEYS[1])
local version = value and ('\1' .. value) or '\0'
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1";

impl Redis {
    fn on(&self, command: &str, bucket: &Bucket, key: &Key) -> Cmd {
        self.on_all(command, bucket, [key])
    }

    fn on_all<'a>(
        &self,
        command: &str,
        bucket: &Bucket,
        keys: impl IntoIterator<Item = &'a Key>,
    ) -> Cmd {
        let mut command = cmd(command);
        for key in keys {
            command.arg(self.layout().key(bucket, key));
        }
        command
    }
}

/// Redis has no versions of strings, so the value itself is what a swap compares. It is exact: no
/// digest that a guest could find a collision of.
fn version(value: Option<&Bytes>) -> Version {
    let Some(value) = value else {
        return Version(Bytes::from_static(&[0]));
    };
    let mut version = Vec::with_capacity(1 + value.len());
    version.push(1);
    version.extend_from_slice(value);
    Version(version.into())
}

#[async_trait]
impl KeyValue for Redis {
    async fn get(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Option<Bytes>, KeyValueError> {
        self.run(context, &self.on("GET", bucket, key)).await
    }

    async fn set(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
    ) -> Result<(), KeyValueError> {
        check_value(&value)?;
        self.run(context, self.on("SET", bucket, key).arg(&*value))
            .await
    }

    async fn delete(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<(), KeyValueError> {
        self.run(context, &self.on("DEL", bucket, key)).await
    }

    async fn exists(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<bool, KeyValueError> {
        self.run(context, &self.on("EXISTS", bucket, key)).await
    }

    async fn list_keys(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError> {
        let layout = self.layout();
        let (start, pattern) = (layout.start_of(bucket), layout.pattern(bucket));
        let mut page = KeyPage::default();
        let mut position = cursor.map_or(0, |cursor| cursor.0);
        for _scan in 0..SCANS_MAX {
            let mut scan = cmd("SCAN");
            scan.arg(position)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(SCAN_KEYS);
            // Other types are no values that a guest could read.
            scan.arg("TYPE").arg("string");
            let (next, keys): (u64, Vec<Bytes>) = self.run(context, &scan).await?;
            page.keys
                .extend(keys.iter().filter_map(|key| guest_key(&start, key)));
            position = next;
            // Another scan must fit on the page even if it returns twice what it was asked for.
            if position == 0 || page.keys.len() + 2 * SCAN_KEYS > PAGE_KEYS_MAX {
                break;
            }
        }
        // While its table grows or shrinks, Redis may return a key twice.
        page.keys.sort_unstable();
        page.keys.dedup();
        page.next = (position != 0).then_some(Cursor(position));
        Ok(page)
    }

    async fn increment(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        if let Some(once) = self.once(context) {
            return self.increment_once(context, once, bucket, key, delta).await;
        }
        let sum = self
            .answer(context, self.on("INCRBY", bucket, key).arg(delta))
            .await?;
        sum.map_err(|error| counter_failure(context, &error))
    }

    async fn read_for_swap(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
    ) -> Result<Versioned, KeyValueError> {
        let value = self.get(context, bucket, key).await?;
        let version = version(value.as_ref());
        Ok(Versioned { value, version })
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
        if let Some(once) = self.once(context) {
            return self
                .swap_once(context, once, (bucket, key), expected, value)
                .await;
        }
        // EVAL and not EVALSHA: a server that has restarted has forgotten the script, and sending
        // it again would be a second attempt of a call that must not run twice.
        let mut swap = cmd("EVAL");
        swap.arg(SWAP)
            .arg(1)
            .arg(self.layout().key(bucket, key))
            .arg(&*expected.0)
            .arg(&*value);
        let swapped = self.run(context, &swap).await?;
        Ok(if swapped {
            SwapOutcome::Swapped
        } else {
            SwapOutcome::Failed
        })
    }

    async fn get_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        check_keys(keys)?;
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GET_KEYS_MAX) {
            let part: Vec<Option<Bytes>> = self
                .run(context, &self.on_all("MGET", bucket, keys))
                .await?;
            values.extend(part);
            check_values(&values)?;
        }
        Ok(values)
    }

    async fn set_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        entries: &[(Key, Bytes)],
    ) -> Result<(), KeyValueError> {
        check_entries(entries)?;
        if entries.is_empty() {
            return Ok(());
        }
        let mut set = cmd("MSET");
        for (key, value) in entries {
            set.arg(self.layout().key(bucket, key)).arg(&**value);
        }
        self.run(context, &set).await
    }

    async fn delete_many(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        keys: &[Key],
    ) -> Result<(), KeyValueError> {
        check_keys(keys)?;
        if keys.is_empty() {
            return Ok(());
        }
        self.run(context, &self.on_all("DEL", bucket, keys)).await
    }
}
