//! What an app was, and what it becomes again.

use clap::Args;

use super::{DeploymentArgs, LatticeArgs};

/// `wrt history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The app
    pub app: String,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// `wrt rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The app
    pub app: String,
    /// The revision, as `history` lists it [default: the last that is another one than what is deployed]
    #[arg(long, value_name = "REVISION")]
    pub to: Option<u64>,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}
