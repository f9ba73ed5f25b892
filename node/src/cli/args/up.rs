//! What is deployed, and how.

use std::path::PathBuf;

use clap::{Args, builder::FalseyValueParser};
use wrt_deployment::limits::STATE_COPIES;

use super::LatticeArgs;

/// `wrt up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The manifest
    pub manifest: PathBuf,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// Copies of the desired state in a cluster of NATS servers, 1 to 5, where this makes it: what is
    /// there stays as its operator has set it
    #[arg(
        long,
        value_name = "COPIES",
        default_value_t = 1,
        value_parser = copies,
        env = "WRT_STATE_COPIES",
        hide_env_values = true
    )]
    pub state_copies: usize,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// How an app takes the place of what is deployed.
#[derive(Debug, Clone, Args)]
pub struct DeploymentArgs {
    /// Ask nobody before something that is deployed changes
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
}

fn copies(text: &str) -> Result<usize, String> {
    let copies = text.parse::<u64>().ok();
    let copies = copies.filter(|copies| STATE_COPIES.contains(copies));
    let copies = copies.and_then(|copies| usize::try_from(copies).ok());
    copies.ok_or_else(|| "a number from 1 to 5".to_owned())
}
