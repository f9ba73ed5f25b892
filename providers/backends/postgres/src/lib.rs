//! Postgres as a provider of wrt:sql.
//!
//! Invariants:
//! - a statement is prepared once on each connection and kept, and its values go beside it;
//! - a connection comes back to the pool when nothing runs on it and it is in no transaction: whoever
//!   stops waiting has the server stop too;
//! - an error says whether the statement may have run; none is sent twice, but one that the server has
//!   refused because its plan was old;
//! - TLS is checked as `verify-full` does it, or there is none.
//!
//! Start reading at [`Postgres`], then the module `session`.

mod as_text;
mod client;
mod config;
mod decode;
mod encode;
mod error;
mod numeric;
mod session;
mod tls;

pub use client::{ConnectError, Postgres};
pub use config::PostgresConfig;
