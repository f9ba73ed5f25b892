//! The provider that needs no service: values from its own settings.

use std::{collections::BTreeMap, fmt};

use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{Backend, Entry, Serves};

use crate::{
    ConfigError, ConfigStore, ConfigStoreInterface, WasiConfig,
    limits::{check_key, check_values},
};

/// How the provider is set up.
#[derive(Clone, PartialEq, Eq, Default, confique::Config)]
pub struct ConfigDefaultOptions {
    /// Every key with its value. In a manifest a value may be a reference, `{ env = "NAME" }`; so a
    /// table with nothing but the key `env` in it is not possible there.
    #[config(default = {})]
    pub values: BTreeMap<String, String>,
}

/// The values that it was made with.
pub struct ConfigDefault {
    values: BTreeMap<String, String>,
}

/// A part of the provider in memory.
impl Backend for ConfigDefault {
    const NAME: &'static str = "memory";

    type ConnectOptions = ConfigDefaultOptions;
    type ConnectError = ConfigError;

    async fn connect_with(options: ConfigDefaultOptions) -> Result<Self, ConfigError> {
        Self::new(options)
    }

    fn is_for_good(_error: &ConfigError) -> bool {
        true
    }
}

impl Serves<WasiConfig> for ConfigDefault {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<ConfigStoreInterface>(|store| store);
    }
}

impl ConfigDefault {
    /// A provider of those values.
    ///
    /// # Errors
    /// [`ConfigError::OverLimit`].
    pub fn new(options: ConfigDefaultOptions) -> Result<Self, ConfigError> {
        check_values(&options.values)?;
        Ok(Self {
            values: options.values,
        })
    }
}

#[async_trait]
impl ConfigStore for ConfigDefault {
    async fn get(&self, _: &CallContext, key: &str) -> Result<Option<String>, ConfigError> {
        check_key(key)?;
        Ok(self.values.get(key).cloned())
    }

    async fn get_all(&self, _: &CallContext) -> Result<Vec<(String, String)>, ConfigError> {
        let values = self.values.iter();
        Ok(values.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

/// Without the values: some may be secrets.
impl fmt::Debug for ConfigDefaultOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.values.keys().collect();
        f.debug_struct("ConfigDefaultOptions")
            .field("keys", &keys)
            .finish()
    }
}

impl fmt::Debug for ConfigDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.values.keys().collect();
        f.debug_struct("ConfigDefault")
            .field("keys", &keys)
            .finish()
    }
}
