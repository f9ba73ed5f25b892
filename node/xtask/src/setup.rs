//! `cargo xtask setup`: installs what is missing.

mod guest_toolchain;
mod nats_server;
mod pypi;
mod redis_server;
pub mod wasmtime;

use std::path::PathBuf;

use clap::ArgMatches;

use crate::{command::Command, repository::Repository};

/// The command.
pub const COMMAND: Command = Command {
    name: "setup",
    about: "Install what is missing: redis-server, nats-server, a rustc for guests",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| install(repository),
};

/// Installs everything that is missing.
fn install(repository: &Repository) -> anyhow::Result<()> {
    servers(repository)?;
    guest_rustc(repository)?;
    Ok(())
}

/// Installs the servers that are missing.
pub fn servers(repository: &Repository) -> anyhow::Result<()> {
    redis_server::install(repository)?;
    nats_server::install(repository)
}

/// The rustc that builds guests; it is built when it is missing.
pub fn guest_rustc(repository: &Repository) -> anyhow::Result<PathBuf> {
    guest_toolchain::install(repository)
}
