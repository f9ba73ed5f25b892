//! wasi:config from a bucket that somebody else writes.

use std::collections::BTreeMap;

use wrt_config::{
    ConfigError, ConfigStore, ConfigStoreInterface, WasiConfig,
    limits::{ENTRIES_MAX, STORE_BYTES_MAX, check_entry, check_key},
};
use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{Entry, Serves};

use crate::Nats;

/// What a bucket holds, within the limits of wasi:config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConfigValues {
    /// None for what is not text.
    values: BTreeMap<String, Option<String>>,
    bytes: usize,
}

impl ConfigValues {
    /// Takes over a change of one key.
    ///
    /// # Errors
    /// Why it cannot be taken over. Nothing has changed then.
    pub(crate) fn set(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(value).ok();
        let size = check_entry(key, text.unwrap_or_default());
        size.map_err(|error| format!("{key}: {error}"))?;
        let text = text.map(str::to_owned);
        let before = self
            .values
            .get(key)
            .map(|before| size_of_entry(key, before.as_deref()));
        let bytes = self.bytes - before.unwrap_or(0) + size_of_entry(key, text.as_deref());
        if bytes > STORE_BYTES_MAX || (before.is_none() && self.values.len() == ENTRIES_MAX) {
            return Err(format!(
                "more than {ENTRIES_MAX} keys or {STORE_BYTES_MAX} bytes in all"
            ));
        }
        self.bytes = bytes;
        self.values.insert(key.to_owned(), text);
        Ok(())
    }

    /// Takes over that a key is gone.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(before) = self.values.remove(key) {
            self.bytes -= size_of_entry(key, before.as_deref());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

fn size_of_entry(key: &str, value: Option<&str>) -> usize {
    key.len() + value.map_or(0, str::len)
}

fn text(key: &str, value: Option<&String>) -> Result<String, ConfigError> {
    let not_text = || ConfigError::upstream(format!("the value of {key} is not text"));
    value.cloned().ok_or_else(not_text)
}

impl Serves<WasiConfig> for Nats {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<ConfigStoreInterface>(|nats| nats);
    }
}

#[async_trait]
impl ConfigStore for Nats {
    async fn get(&self, context: &CallContext, key: &str) -> Result<Option<String>, ConfigError> {
        check_key(key)?;
        let settings = self.settings(context).await?;
        let value = settings.values.get(key);
        value.map(|value| text(key, value.as_ref())).transpose()
    }

    async fn get_all(&self, context: &CallContext) -> Result<Vec<(String, String)>, ConfigError> {
        let settings = self.settings(context).await?;
        let entry = |(key, value): (&String, &Option<String>)| {
            Ok((key.clone(), text(key, value.as_ref())?))
        };
        settings.values.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_a_limit_changes_nothing() {
        let mut settings = ConfigValues::default();
        let quarter = vec![b'x'; STORE_BYTES_MAX / 4 - 1];
        for key in ["a", "b", "c", "d"] {
            settings.set(key, &quarter).expect("there is room");
        }
        assert!(settings.set("e", b"").is_err(), "not a byte more");
        assert!(settings.set("a", &vec![b'x'; STORE_BYTES_MAX / 4]).is_err());
        settings.set("a", &quarter).expect("the same once more");
        settings.remove("a");
        settings.remove("a");
        settings.set("e", b"1").expect("there is room again");
        assert_eq!(settings.len(), 4);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut settings = ConfigValues::default();
        for key in 0..ENTRIES_MAX {
            settings.set(&key.to_string(), b"").expect("there is room");
        }
        assert!(settings.set("one more", b"").is_err());
        settings.set("0", b"changed").expect("no new key");
    }
}
