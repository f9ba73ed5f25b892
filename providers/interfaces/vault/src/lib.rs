//! `wrt:vault`: secrets with versions. For a node it is the trait, its host glue, a vault in memory and
//! the suite that every vault passes; for wasm32 what a guest calls.
//!
//! Invariants:
//! - a value is a [`SecretValue`] from the guest to the vault and back: it is in no log, trace, error or
//!   `Debug`, and its memory is zeroed when it is dropped. What lies outside of that is not: the buffers of
//!   a bus between two nodes, which TLS has to keep from others, and the guest's own memory;
//! - a name is any text, and is read as it was written, whatever the service behind the vault takes;
//! - a version is never used twice, so that whoever has kept one gets that value or none.
//!
//! Start reading at `native.rs`.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod guest;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
mod native;

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use guest::*;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
pub use native::*;
