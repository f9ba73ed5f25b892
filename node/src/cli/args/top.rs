//! `top`, on a command line.

use clap::{Args, ValueEnum};

use super::LatticeArgs;

/// `wrt top`
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Only this app
    pub app: Option<String>,
    /// What the first ones have most of
    #[arg(long, value_enum, default_value_t = Sorted::Calls)]
    pub sort: Sorted,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval: u64,
    /// How many looks; without it as many as there is time for
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sorted {
    /// Calls handled in a second.
    Calls,
    /// Calls in hand.
    Running,
    /// Calls that wait.
    Waiting,
    /// Calls refused in a second.
    Refused,
}
