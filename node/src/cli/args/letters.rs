//! `wrt letters`

use clap::{Args, Subcommand};

use super::LatticeArgs;

/// `wrt letters`
#[derive(Debug, Args)]
pub struct LettersArgs {
    /// What is done with them.
    #[command(subcommand)]
    pub command: LettersCommand,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub enum LettersCommand {
    /// List the dead letters of an app's component, the oldest first
    List(ListArgs),
    /// Show one of them: why it was given up, its metadata and the beginning of its data
    Show(LetterArgs),
    /// Hand them to their component once more, and to no other. One that is handled is no dead letter
    /// any more; one that fails again stays
    Replay(SeveralArgs),
    /// Remove them for good
    Drop(SeveralArgs),
}

/// Whose dead letters.
#[derive(Debug, Args)]
pub struct WhoseArgs {
    /// The app
    pub app: String,
    /// Its component
    pub component: String,
    /// Only those of this provider, where several call the component
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
}

/// `wrt letters list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// How many are listed
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: usize,
}

/// `wrt letters show`
#[derive(Debug, Args)]
pub struct LetterArgs {
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// The letter, as `list` names it
    pub letter: String,
}

/// `wrt letters replay` and `wrt letters drop`
#[derive(Debug, Args)]
pub struct SeveralArgs {
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// The letters, as `list` names them
    #[arg(required_unless_present = "all")]
    pub letters: Vec<String>,
    /// All that there are when this begins
    #[arg(long, conflicts_with = "letters")]
    pub all: bool,
    /// How long to wait for each, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
}
