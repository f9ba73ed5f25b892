//! Nodes, the actor that they host, and the transport that watches them.

pub mod holder;
pub mod mirror;
pub mod nodes;
pub mod probe;
pub mod ways;
pub mod wire;
