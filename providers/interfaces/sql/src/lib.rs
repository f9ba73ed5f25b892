//! SQL on the lattice: one trait, the host glue of wrt:sql, of wasi:sql and of wasmcloud:postgres, SQLite as the
//! default, and the suite that every provider passes.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use wrt_contract::{CallContext, Gate, GateLimits};
//! use wrt_runtime::{Backend as _, FromEnv as _, Settings};
//! use wrt_sql::{Command, Sql as _, SqlDefault, SqliteConfig, Value};
//!
//! let database = SqlDefault::connect_with(SqliteConfig::load(Settings::default())?).await?;
//! let database = database.provider(&Gate::new(GateLimits::default()));
//! let command = Command::new("select $1 || 'd'", [Value::from("wor")]);
//! let answer = database.query(&CallContext::default(), &command).await?;
//! assert_eq!(answer.rows, [[Value::from("word")]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Invariants:
//! - a value keeps its type; one of a type that is not known arrives as text with its type's name, and
//!   never as NULL;
//! - what a guest gives as a parameter is never part of a statement's text;
//! - a statement that was sent and not answered is *maybe executed*, and not sent again: no operation is
//!   idempotent but that which describes a statement;
//! - a transaction is pinned to the replica that has its connection, and ends with its time;
//! - whoever stops waiting stops what it has asked for, and gets no connection into a pool that is still
//!   at work, or in a transaction.
//!
//! Start reading at [`Sql`], then [`Session`], which is what a database must be able to do, and
//! [`SqlProvider`], which makes the rest of it.
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
