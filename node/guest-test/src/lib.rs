//! Tests a component in a plain `cargo test`: its requests are answered and its messages handled as a node would have
//! it, by the node's own code in the test's process, and everything behind it is in memory.
//!
//! ```toml
//! [target.'cfg(not(target_family = "wasm"))'.dev-dependencies]
//! wrt-guest-test = { path = "..." }
//! ```
//!
//! ```ignore
//! // tests/notes.rs; the component's lib.rs begins with #![cfg(target_family = "wasm")].
//! use wrt_guest_test::App;
//!
//! #[test]
//! fn a_note_is_kept() -> wrt_guest_test::Result {
//!     let app = App::of_this_crate()?.start()?;
//!     let answer = app.send("PUT", "/notes/milk", r#"{"text":"two bottles"}"#)?;
//!     assert_eq!(answer.status, 201);
//!     assert!(app.value("notes", "milk")?.is_some());
//!     Ok(())
//! }
//! ```
//!
//! There is no lattice, no service and no port. A component gets a provider in memory for each of these that it
//! imports, new for each [`App`]: `wasi:keyvalue`, `wasi:config`, `wasi:messaging`, `wasi:blobstore`, `wasi:otel`,
//! `wasi:logging`, `wrt:sql`, `wrt:vault`. Its requests to other servers go to a function of the test
//! ([`App::outside`]). Admission, limits, budgets and traps are the node's own.
//!
//! What it is not: a broker. A message that the component sends is kept for the test ([`App::sent`]) and goes to nobody;
//! one that shall come is handed over once ([`App::deliver`]), and what its handler says is the answer.
//!
//! The component is built for release: as it will run. What it prints is among the test's own output, and `RUST_LOG`
//! says what else of the node's log is.

mod answer;
mod app;
mod built;
mod desired;
mod error;
mod inside;
mod message;
mod records;
mod setup;

pub use answer::Answer;
pub use app::App;
pub use error::{Error, Result};
pub use message::Message;
pub use setup::Setup;
/// A span that a component has made, as [`App::span`] finds it.
pub use wrt_otel::{Span, SpanStatus};
