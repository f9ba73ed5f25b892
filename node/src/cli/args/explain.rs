//! Whose place is explained.

use clap::Args;

use super::LatticeArgs;

/// `wrt explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// APP/NAME, or as `ps` shows it: component/APP/NAME, provider/APP/NAME
    pub actor: String,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}
