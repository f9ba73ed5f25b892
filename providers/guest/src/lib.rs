//! What a component written in Rust is made with: one module for each package that it may import, and
//! the bindings of WASI itself.
//!
//! ```ignore
//! use wrt_guest::{keyvalue, wasip2::{self, http::types::{IncomingRequest, ResponseOutparam}}};
//!
//! struct Visits;
//!
//! wasip2::http::proxy::export!(Visits);
//!
//! impl wasip2::exports::http::incoming_handler::Guest for Visits {
//!     fn handle(_: IncomingRequest, out: ResponseOutparam) {
//!         let visits = keyvalue::open("default").and_then(|bucket| bucket.increment("visits", 1));
//!         ...
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
    wrt_blobstore as blobstore, wrt_config as config, wrt_http as http, wrt_identity as identity,
    wrt_keyvalue as keyvalue, wrt_logging as logging, wrt_messaging as messaging, wrt_otel as otel,
    wrt_sql as sql, wrt_vault as vault, wrt_websocket as websocket,
};

/// WASI 0.2 and 0.3, HTTP among it: requests to answer, requests to send, clocks, random numbers.
#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use wrt_http::{wasip2, wasip3};
