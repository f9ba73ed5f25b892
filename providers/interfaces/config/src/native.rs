//! What is built into a node: the trait, its host glue, its fixed values and its suite.

mod error;
mod fixed;

pub mod conformance;
pub mod host;
pub mod limits;

use wrt_contract::CallContext;

pub use error::ConfigError;
pub use fixed::{ConfigDefault, ConfigDefaultOptions};
pub use host::WasiConfig;

/// Settings, read only.
#[wrt_contract::interface(name = "wasi:config", error = ConfigError)]
pub trait ConfigStore {
    /// The value of a key; none where it has none. Any text may be asked for: one that no key can be
    /// has no value.
    ///
    /// # Errors
    /// [`ConfigError::OverLimit`] for a key over [`limits::KEY_BYTES_MAX`].
    #[operation(idempotent)]
    async fn get(&self, context: &CallContext, key: &str) -> Result<Option<String>, ConfigError>;

    /// Every key with its value, sorted by key, as they were at one time.
    #[operation(idempotent)]
    async fn get_all(&self, context: &CallContext) -> Result<Vec<(String, String)>, ConfigError>;
}
