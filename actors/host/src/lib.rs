//! What stands between a guest and the actors that it calls: the state in the store of an instance,
//! and the seams by which interfaces and component actors meet without knowing each other.
//!
//! ```text
//! interface (host glue) ── Host, Package ──> linker <── component actor (engine, limits)
//! interface (export glue) ── Instances ──> Prepared (task, leash) ──> Lent (store, instance)
//! ```
//!
//! Invariants:
//! - this crate owns no engine and no interface of the lattice;
//! - a guest sees the environment, the links and the limits that its manifest gives, and nothing of
//!   the node: no files, no sockets, no inherited environment;
//! - what a guest says reaches the log through [`GuestLog`], and cannot look like the node's own words.
//!
//! Start reading at [`InstanceState`]; [`body`] is where the bodies of all interfaces meet guests.

pub mod body;
mod ended;
mod extensions;
mod guest_log;
mod guest_run;
mod instances;
mod leash;
mod lent;
mod link_site;
mod package;
mod printable;
mod sharing;
mod state;
mod turns;

pub use ended::{WallTimeExceeded, guest_exit, guest_fault};
pub use guest_log::{
    GUEST_CONTEXT_BYTES_MAX, GUEST_LOG_TARGET, GUEST_MESSAGE_BYTES_MAX, GuestLevel, GuestLog,
    GuestSource, LoggedInvocation,
};
pub use guest_run::GuestRun;
pub use instances::{Instances, Prepared};
pub use leash::Leash;
pub use lent::{Home, Lent};
pub use link_site::LinkSite;
pub use package::{Exported, Host, Imported, ImportedFrom, LinkKind, OfferExport, Package};
pub use printable::Printable;
pub use sharing::{Allowance, SharedInstances, Sharing};
pub use state::{InstanceState, InstanceStateParts, MakeWasi};
