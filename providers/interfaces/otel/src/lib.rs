//! `wasi:otel`: what a component says of its own doings, as spans, metrics and logs. For a node it is the
//! trait, its host glue, a provider in memory and the suite that every provider passes; for wasm32 what a
//! guest calls.
//!
//! Invariants:
//! - a guest waits for nobody when a span ends or a log is emitted, and hears of no failure: what cannot be
//!   kept is dropped and counted ([`lost_records`]). The export of metrics has an error, and waits;
//! - a guest's span is a part of the span that it names, and what the guest calls between its start and its
//!   end is a part of it;
//! - whether a trace is kept was decided where it began: a guest's span of a trace that is not kept is
//!   dropped, whatever the guest says of it.
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
