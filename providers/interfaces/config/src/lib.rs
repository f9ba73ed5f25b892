//! wasi:config on the lattice: one trait, the host glue for every version that components are built
//! with, a provider of fixed values, and the suite that every provider passes.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use wrt_config::{ConfigDefault, ConfigDefaultOptions, ConfigStore};
//! use wrt_contract::CallContext;
//!
//! let values = [("greeting".to_owned(), "hello".to_owned())].into();
//! let store = ConfigDefault::new(ConfigDefaultOptions { values })?;
//! let greeting = store.get(&CallContext::default(), "greeting").await?;
//! assert_eq!(greeting.as_deref(), Some("hello"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Invariants:
//! - a value comes from the manifest, or from a service that the manifest names; never from the
//!   environment of the host;
//! - each limit is in [`limits`], and every provider holds what it serves to them;
//! - a failure of the lattice never traps a guest: it becomes the guest's `error::io` in one place.
//!
//! Start reading at [`ConfigStore`], then [`conformance`].

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
