//! The contract between those who call and those who serve.
//!
//! An interface is one Rust trait under [`macro@interface`]. The macro makes from it everything that
//! the lattice needs, gathered in one type that implements [`Interface`]: a remote client, a
//! dispatcher, a guard, a link, and a table of operations.
//!
//! ```text
//! Link ── local slot filled ──> Guard (gate, deadline) ──> backend
//!   └──── otherwise ──────────> Remote ──> Caller ··· bus ··· Dispatch ──> Guard ──> backend
//! ```
//!
//! Invariants:
//! - this crate does not know the bus: [`Caller`] is the way out, [`Dispatch`] the way in;
//! - a co-located call goes through no encoder and no queue but the [`Gate`];
//! - whoever calls cannot tell from the types where the provider lives.
//!
//! Start reading at [`Interface`], then [`CallContext`] and [`Gate`].

// The macro's output names this crate by its public name, also inside it.
extern crate self as wrt_contract;

mod body;
mod call;
mod context;
mod failover;
mod gate;
mod interface;
mod link;
mod wire;

pub use async_trait::async_trait;
pub use body::{Body, BodyFrame, Trailers};
pub use call::{Answer, Caller, Dispatch, DispatchRequest, Invocation};
pub use context::CallContext;
pub use gate::{Gate, GateLimits, GateLoad, Permit};
pub use interface::{Interface, InterfaceError, Operation};
pub use link::{Links, LocalDirectory, LocalSlot, Offer};
pub use wrt_contract_macros::interface;

/// What the code that [`macro@interface`] writes calls. Not for anybody else.
#[doc(hidden)]
pub mod generated {
    pub use bytes::Bytes;
    pub use futures::future::BoxFuture;
    pub use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, InterfaceName, OperationName};

    pub use crate::{
        failover::{may_fall_over, remote_or_local},
        wire::{
            decode_arguments, decode_result, encode_arguments, encode_result, unknown_operation,
        },
    };
}
