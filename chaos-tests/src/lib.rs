//! A lattice of real processes, what is done to it, and what is checked.
//!
//! [`Cluster`] starts real servers and real `wrt-node` processes; [`load`] sends requests and keeps
//! every outcome; [`outage`] says from the outcomes what a fault cost, and [`invariants`] whether that
//! was allowed. Faults are in [`Cluster`], in its servers, and in [`Proxy`]. A scenario, one test of
//! `tests/`, states its invariant first; faults, workloads and checkers are apart, so that each can be
//! used with each.
//!
//! Invariants:
//! - nothing here depends on the runtime's crates: it is used as its users use it, by its programs;
//! - everything listens on loopback, on free ports, in a temporary folder, and ends with the test.

pub mod body;
mod client;
mod cluster;
mod hard_guests;
pub mod invariants;
pub mod load;
mod manifest;
pub mod memory;
pub mod outage;
mod programs;
mod proxy;
mod scene;
mod status;

pub use client::{Client, Outcome, Sample};
pub use cluster::{Cluster, ClusterError};
pub use hard_guests::{not_to_be_compiled, slow_to_compile};
pub use manifest::Manifest;
pub use programs::{Profile, Programs, guest};
pub use proxy::Proxy;
pub use scene::{Scene, SceneError};
pub use status::{LatticeStatus, NodeStatus, ReplicaStatus};
