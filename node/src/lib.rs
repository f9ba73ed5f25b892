//! The programs: `wrt-node` runs components and providers, `wrt` deploys apps to a lattice of nodes.
//!
//! ```text
//! wrt up ── manifest ── Catalog ── Store (JetStream) ──> each node: Reconciler ── place() ── diff
//!                                                          └── Supervision ── component, provider
//! ```
//!
//! Invariants:
//! - everything that reads the environment, arguments or signals is here, and nothing that runs in it depends on it;
//! - no interface and no backend is named here: a program passes in what it is made of, as a
//!   [`Runtime`], by the macro [`runtime!`];
//! - one module prints ([`cli`]'s output); everything else logs.
//!
//! Start reading at [`Node`], then [`runtime!`].

#[cfg(test)]
mod bell;
mod catalog;
pub mod cli;
mod code;
mod component_file;
mod environment;
mod journal;
mod lattice;
mod node;
mod runtime_macro;

pub use catalog::NodeCatalog;
pub use code::{CacheOptions, Code, CodeCache, FetchedCode, LocalCode, LocalCodes};
pub use environment::{AllowedVariable, AppEnvironment, NoVariable};
pub use lattice::{Lattice, LatticeError, LatticeServers, Observer, SeenNode};
pub use wrt_runtime::{Runtime, RuntimeError, runtime_value};

pub use node::{
    Node, NodeError, NodeOptions, NodeStatus, ReplicaStatus, SeenActor, SeenApp, SeenLattice,
    SeenLink, SeenMember, SeenOperation, SeenReplica,
};
