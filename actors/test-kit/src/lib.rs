//! What the tests of an interface and of its backends need, beside the interface's own suite
//! (`wrt_conformance`).
//!
//! | to test | take |
//! |---|---|
//! | a provider, from wherever it can be called | [`everywhere`], [`everywhere_with_leases`], [`by_default`] |
//! | what the macro made of a trait | [`encoded`], [`InProcessCaller`], [`UnreachableCaller`] |
//! | host glue, without a guest | [`linked_instance`], [`instance_in`], [`unreachable`] |
//! | that the glue serves the whole WIT | [`WitCoverage`] |
//! | what only two nodes show | [`TwoNodes`] |
//!
//! Invariants:
//! - it names no interface and no vendor, so whoever writes one outside of this workspace can use it;
//! - what goes wrong while a test is being set up is a panic that says what.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so does what it is made of"
)]

mod by_default;
mod callers;
mod everywhere;
mod instance;
mod two_nodes;
mod wit_coverage;

pub use by_default::by_default;
pub use callers::{InProcessCaller, UnreachableCaller, encoded, unreachable};
pub use everywhere::{everywhere, everywhere_with_leases};
pub use instance::{instance, instance_in, linked_instance};
pub use two_nodes::TwoNodes;
pub use wit_coverage::{Served, WitCoverage};

use wrt_protocol::{ActorAddress, Name};

/// A name that is known to be legal.
///
/// # Panics
/// When it is not.
#[must_use]
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Where the provider of a test lives.
#[must_use]
pub fn provider_address() -> ActorAddress {
    ActorAddress::provider(name("test"), name("provider"))
}
