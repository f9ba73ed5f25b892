//! `wrt:identity`: tokens that tell a service who calls it. For a node it is the trait, its host glue, what
//! keeps tokens while they are good, a provider of OAuth2's client credentials and the suite that every
//! provider passes; for wasm32 what a guest calls.
//!
//! Invariants:
//! - a token is a [`TokenValue`] from the provider to the guest: it is in no log, trace, error or `Debug`, and
//!   its memory is zeroed when it is dropped. What lies outside of that is not: the buffers of the client that
//!   asks for it and of a bus between two nodes, which TLS has to keep from others, and the guest's own memory;
//! - of callers who want a token of one identity for the same scopes, one asks for it and the others wait;
//! - a token that a service has refused is given to nobody again by the replica that was told so, and by any
//!   other one not to who tells it: the refusal is a part of the question.
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
