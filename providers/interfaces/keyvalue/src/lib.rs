//! wasi:keyvalue on the lattice: one trait, the host glue for both published drafts, an in-memory
//! provider, and the suite that every provider passes.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use wrt_contract::CallContext;
//! use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueDefault};
//!
//! let store = KeyValueDefault::default();
//! let (context, bucket, key) = (CallContext::default(), Bucket::default(), Key::new("visits")?);
//! assert_eq!(store.increment(&context, &bucket, &key, 2).await?, 2);
//! assert_eq!(store.get(&context, &bucket, &key).await?.as_deref(), Some(&b"2"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Invariants:
//! - operations are self-contained: a bucket is a name that travels by value, so any replica can
//!   answer, and opening one is no call at all;
//! - what a guest writes is what it reads: names without prefixes, bytes untouched, and no time to
//!   live that it did not ask for;
//! - each limit is in [`limits`], and every provider refuses the same things with the same error;
//! - a failure of the lattice never traps a guest: [`KeyValueError::Fault`] becomes the guest's
//!   `error::other` in one place.
//!
//! Start reading at [`KeyValue`], then [`conformance`], which says in code what the words here mean.
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
