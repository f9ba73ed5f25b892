//! What a component written in Rust is made with: what authors write every day, a module for each package that a
//! component may import, and the bindings of WASI itself.
//!
//! | for | there is |
//! |---|---|
//! | answers to HTTP: routes, parameters, JSON | [`web`] |
//! | messages, by their topics | `topics` |
//! | values that are computed seldom | `cache` |
//! | spans around functions | [`macro@instrument`] |
//! | everything else | `keyvalue`, `config`, `sql`, ...: a module a package; `wasip2`, `wasip3` |
//!
//! ```ignore
//! #![cfg(target_family = "wasm")]
//!
//! use wrt_guest::{keyvalue, web::{Json, Problem, Request, Router}};
//!
//! wrt_guest::web::export!(routes);
//!
//! fn routes() -> Router {
//!     Router::new().post("/visits/{page}", visit)
//! }
//!
//! #[wrt_guest::instrument]
//! fn visit(request: &Request) -> Result<Json<i64>, Problem> {
//!     let page: String = request.param("page")?;
//!     Ok(Json(keyvalue::open("visits")?.increment(&page, 1)?))
//! }
//! ```
//!
//! A component is for `wasm32-wasip2`, and on the host there is nothing of it: hence the line `#![cfg(...)]`, with
//! which a plain `cargo test` builds an empty crate and its tests in `tests/`. Those run the component itself, by
//! the crate `wrt-guest-test`.
//!
//! Invariants:
//! - each module of a package is the interface's own crate, built for `wasm32`: both sides are in one place, and
//!   nothing of the runtime comes along;
//! - a component imports what it calls, and nothing of what else is here.
//!
//! For any other target there is only [`web`] without its exports, for its tests. `--cfg wrt_guest` builds all of it
//! nevertheless, for checks and lints on a machine that has no std for `wasm32-wasip2`.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub mod cache;
#[cfg(any(target_arch = "wasm32", wrt_guest, test))]
mod cache_entry;
#[cfg(any(target_arch = "wasm32", wrt_guest, test))]
mod topic_filter;
#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub mod topics;
#[cfg(any(target_arch = "wasm32", wrt_guest))]
#[doc(hidden)]
pub mod trace;
pub mod web;

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use {
    wrt_blobstore as blobstore, wrt_config as config, wrt_http as http, wrt_identity as identity,
    wrt_keyvalue as keyvalue, wrt_logging as logging, wrt_messaging as messaging, wrt_otel as otel,
    wrt_sql as sql, wrt_vault as vault, wrt_websocket as websocket,
};

/// WASI 0.2 and 0.3, HTTP among it: requests to answer, requests to send, clocks, random numbers.
#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use wrt_http::{wasip2, wasip3};

pub use wrt_guest_macros::instrument;
