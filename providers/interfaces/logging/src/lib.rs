//! wasi:logging: what a guest logs, in the log of the node that runs it.
//!
//! It is host-local: no provider serves it, so that a component which imports it needs no link. The
//! text goes through [`GuestLog`](wrt_host::GuestLog), which cuts it, escapes it, and says whose guest
//! speaks; what a guest prints goes there too.
//!
//! Invariants:
//! - a call neither fails nor waits: a log that cannot keep up drops lines and counts them, and a guest
//!   never hears of it, since the interface has no word for it;
//! - no guest chooses how its messages are filtered: that is the node's operator's.
//!
//! Start reading at [`WasiLogging`].
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
