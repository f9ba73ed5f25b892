//! `dev` and `new`, on a command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::ProcessArgs;
use crate::cli::new::TEMPLATES;

/// What one does who writes components.
#[derive(Debug, Subcommand)]
pub enum DeveloperCommand {
    /// Write what a component of one's own begins with
    #[command(after_help = "Examples:
  PROGRAM new shop
  PROGRAM new chat --template websocket
  PROGRAM new --list

Nothing that is there is written over: a folder of that name must not be there yet.")]
    New(NewArgs),
    /// Run an app in this process; build its components and swap them when a file changes
    #[command(after_help = "Examples:
  PROGRAM dev
  PROGRAM dev shop.toml --address 127.0.0.1:0
  PROGRAM dev --build 'make shop.wasm' --watch ../common

A component whose manifest has `build` is built by that command, in the manifest's folder, when
something there changes, or in what its `watch` names. Without it a component below
`target/wasm32-wasip2` is built by cargo. What is hidden or ignored by git is not looked at, nor are
Cargo.lock and the components; what else a build writes must be ignored, or it is built again.

While something cannot be built or started, what ran before goes on. Calls in hand end on what they
have begun with. Ctrl-C stops a build as well.")]
    Dev(DevArgs),
    /// Print what has a shell complete this program's command line
    #[command(after_help = "Examples:
  PROGRAM completions bash > ~/.local/share/bash-completion/completions/PROGRAM
  PROGRAM completions zsh > ~/.zfunc/_PROGRAM       with ~/.zfunc in fpath
  PROGRAM completions fish > ~/.config/fish/completions/PROGRAM.fish")]
    Completions(CompletionsArgs),
}

/// `wrt completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `wrt dev`
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// The manifest
    #[arg(default_value = "app.toml")]
    pub manifest: PathBuf,
    /// A command that builds the components whose manifest does not say what does; in the manifest's folder
    #[arg(long, value_name = "COMMAND")]
    pub build: Option<String>,
    /// A file or folder that these are also built again for; may be given several times
    #[arg(long, value_name = "PATH")]
    pub watch: Vec<PathBuf>,
    /// Where a provider listens: PROVIDER=ADDRESS for one of several, or ADDRESS for the only one
    /// [default: what the manifest says]
    #[arg(long, value_name = "[PROVIDER=]ADDRESS")]
    pub address: Vec<String>,
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// `wrt new`
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The component's name, and its folder's: lower-case letters, digits and hyphens
    #[arg(required_unless_present = "list")]
    pub name: Option<String>,
    /// What it begins as
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = "http",
        value_parser = PossibleValuesParser::new(TEMPLATES.iter().map(|template| template.name))
    )]
    pub template: String,
    /// Say which templates there are
    #[arg(long, conflicts_with = "name")]
    pub list: bool,
}
