//! `wrt node`

use clap::{Args, Subcommand};
use wrt_protocol::NodeId;

use super::LatticeArgs;

/// `wrt node`
#[derive(Debug, Args)]
pub struct NodesArgs {
    /// What is done to a node.
    #[command(subcommand)]
    pub command: NodesCommand,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// What is done to a node.
#[derive(Debug, Subcommand)]
pub enum NodesCommand {
    /// Place nothing new on a node; what it has stays, and is replaced there when it is deployed anew
    Cordon(NodeNameArgs),
    /// Let a node take again what ranks it high enough
    Uncordon(NodeNameArgs),
    /// Cordon a node, and move everything off it: each replica serves until another one does elsewhere. What has
    /// no other place stays, with its reason; then the code is 1. Code 3: not done in time; the nodes go on
    Drain(DrainArgs),
}

/// A node.
#[derive(Debug, Args)]
pub struct NodeNameArgs {
    /// The node, which need not be there
    pub node: NodeId,
}

/// `wrt node drain`
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The node
    pub node: NodeId,
    /// How long to wait until it is empty, in seconds; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
}
