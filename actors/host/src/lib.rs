//! What stands between a guest and the actors that it calls: the state in the store of an instance,
//! and the seams by which interfaces and component actors meet without knowing each other.
//!
//! ```text
//! interface (host glue) ── HostInterface ──> linker <── component actor (engine, limits)
//! interface (export glue) ── Instances ──> store, InstancePre
//! ```
//!
//! Invariants:
//! - this crate owns no engine and no interface of the lattice;
//! - a guest sees the environment, the links and the limits that its manifest gives, and nothing of
//!   the node: no files, no sockets, no inherited environment.
//!
//! Start reading at [`InstanceState`]; [`body`] is where the bodies of all interfaces meet guests.

pub mod body;
mod ended;
mod instances;
mod interface;
mod leash;
mod outgoing;
mod state;

pub use ended::{WallTimeExceeded, guest_fault};
pub use instances::{Instances, Prepared};
pub use interface::HostInterface;
pub use leash::Leash;
pub use state::{InstanceState, InstanceStateParts, MakeWasi};
