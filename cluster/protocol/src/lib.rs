//! The lattice's protocol: what is said on the bus, and nothing about how.
//!
//! Ids and addresses, the [`subject`]s they become, the [`envelope`] of a call, the [`Fault`] that
//! ends one badly, [`heartbeat`]s, [`stream`] frames, the [`limits`] on all of them, and those that an
//! app's actors are given ([`actor_limits`]).
//!
//! Invariants:
//! - pure: no I/O, no clock, no task; randomness only where an id is minted;
//! - a decoder takes any bytes and answers an error, never a panic, and never allocates more than
//!   the bytes that it was given justify;
//! - each frame starts with the protocol version, so that a peer of another version gets
//!   [`DecodeError::Version`] and not nonsense;
//! - the encodings are snapshot-tested: a change to one is a change of [`PROTOCOL_VERSION`].
//!
//! Start reading at [`envelope`].

pub mod actor_limits;
mod address;
pub mod envelope;
mod fault;
mod fence;
mod frame;
pub mod heartbeat;
mod id;
pub mod limits;
mod origin;
pub mod pack;
pub mod stream;
pub mod subject;
mod trace;

pub use actor_limits::{ComponentLimits, ComponentNeeds, LimitError, ProviderLimits, Shortage};
pub use address::{ActorAddress, ActorKind, InterfaceName, OperationName};
pub use fault::{Execution, Fault, FaultKind, Hop};
pub use fence::{Fence, LeaseName, LeaseNameError};
pub use frame::{DecodeError, EncodeError, PROTOCOL_VERSION, PROTOCOL_VERSION_MAX};
pub use id::{
    CallId, Epoch, IdempotencyKey, Incarnation, LatticeName, LeaseId, Name, NameError, NodeId,
    NodeMicros, StreamId,
};
pub use origin::Origin;
pub use trace::{Hex, LoggedPlace, TraceContext};
