//! `example:greeting`: a package of two interfaces, one that components import and one that they
//! export to be called. One crate for both sides: natively the trait and the host's glue, on wasm32
//! the guest's bindings.
//!
//! Start reading at `contract.rs`.

#[cfg(not(target_family = "wasm"))]
pub mod conformance;
#[cfg(not(target_family = "wasm"))]
mod contract;
#[cfg(target_family = "wasm")]
pub mod guest;
#[cfg(not(target_family = "wasm"))]
mod host;

#[cfg(not(target_family = "wasm"))]
pub use contract::{Greeting, GreetingError, GreetingInterface, Listener, ListenerInterface};
#[cfg(not(target_family = "wasm"))]
pub use host::ExampleGreeting;
