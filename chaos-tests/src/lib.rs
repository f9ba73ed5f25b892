//! A lattice of real processes, what is done to it, and what is checked.
//!
//! [`Cluster`] starts real servers and real `wrt-node` processes; [`load`] sends requests and keeps
//! every outcome; [`outage`] says from the outcomes what a fault cost. A scenario states its
//! invariant first; faults, workloads and checkers are apart, so that each can be used with each.
//!
//! Invariants:
//! - nothing here depends on the runtime's crates: it is used as its users use it, by its programs;
//! - everything listens on loopback, on free ports, in a temporary folder, and ends with the test.

mod client;
mod cluster;
pub mod load;
pub mod outage;
mod programs;

pub use client::{Client, Outcome, Sample};
pub use cluster::{Cluster, ClusterError};
pub use programs::{Profile, Programs, guest};
