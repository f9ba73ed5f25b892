//! What a component written in Rust needs of WRT: one module for each package that it may import.
//!
//! ```ignore
//! let visits = wrt_guest::keyvalue::open("default")?.increment("visits", 1)?;
//! wrt_guest::logging::info("visits", format_args!("{visits} so far"));
//! ```
//!
//! Invariants:
//! - each module is the interface's own crate, built for `wasm32`: both sides are in one place;
//! - a component imports what it calls, and nothing of what else is here.
//!
//! For any other target there is nothing in it, so that a node's workspace builds without the tools of
//! guests. `--cfg wrt_guest` builds it nevertheless, for checks and lints on a machine that has no
//! std for `wasm32-wasip2`.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use {
    wrt_config as config, wrt_http as http, wrt_keyvalue as keyvalue, wrt_logging as logging,
};
