//! What an app was, and what it becomes again.

use clap::{Args, builder::FalseyValueParser};

use super::LatticeArgs;

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
    /// Ask nobody
    #[arg(
        short = 'y',
        long,
        env = "WRT_YES",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    pub yes: bool,
    /// How long to wait until every replica is ready, in seconds; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub timeout: u64,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}
