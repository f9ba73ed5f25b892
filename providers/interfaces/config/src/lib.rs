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
//!
//! Built for `wasm32` the crate is the other side: what a guest calls, and none of the above.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod guest;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
mod native;

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use guest::*;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
pub use native::*;
