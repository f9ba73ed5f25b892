//! `wrt logs` and `wrt events`

use clap::Args;
use wrt_protocol::NodeId;

use super::LatticeArgs;
use crate::journal::LogLevel;

/// What of what nodes have said.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// APP or APP/NAME: only what is said of these
    pub of: Option<String>,
    /// Only what this node says
    #[arg(long, value_name = "NODE")]
    pub node: Option<NodeId>,
    /// How many of the last ones are shown, of each node
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub tail: usize,
    /// Go on, until Ctrl-C
    #[arg(long, short = 'f')]
    pub follow: bool,
}

/// `wrt logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only what matters as much at least, of what nodes log (their RUST_LOG)
    #[arg(long, value_enum, default_value_t = LogLevel::Trace)]
    pub level: LogLevel,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// `wrt events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}
