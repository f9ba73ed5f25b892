//! The programs: `wrt-node` runs components and providers, `wrt` deploys apps to a lattice of nodes.
//!
//! ```text
//! wrt up ── manifest ── Catalog ── Store (JetStream) ──> each node: Reconciler ── place() ── diff
//!                                                          └── Supervision ── component, provider, trigger
//! ```
//!
//! Invariants:
//! - everything that reads the environment, arguments or signals is here, and nothing depends on it;
//! - an interface or a backend is named in [`registry`] and nowhere else;
//! - one module prints ([`cli`]'s output); everything else logs.
//!
//! Start reading at [`Node`], then [`registry`].

mod catalog;
pub mod cli;
mod code;
mod lattice;
mod node;
pub mod registry;

pub use catalog::NodeCatalog;
pub use code::{Code, LocalCode};
pub use lattice::{Lattice, LatticeError, Observer, SeenNode};
pub use node::{Node, NodeError, NodeOptions, NodeStatus, ReplicaStatus};
