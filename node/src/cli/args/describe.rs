//! What is described.

use clap::Args;

use super::LatticeArgs;

/// `wrt describe`
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// APP, APP/NAME or NODE; or exactly: app/APP, component/APP/NAME, provider/APP/NAME, node/NODE
    pub what: String,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}
