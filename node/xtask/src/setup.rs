//! `cargo xtask setup`: installs what is missing.

mod c_libraries;
mod chromium;
mod guest_toolchain;
mod kafka_server;
mod mongodb_server;
mod nats_server;
mod otelcol;
mod postgres_server;
pub mod pypi;
mod redis_server;
pub mod wasmtime;

use std::path::PathBuf;

use clap::ArgMatches;

use crate::{command::Command, repository::Repository};

/// The command.
pub const COMMAND: Command = Command {
    name: "setup",
    about: "Install what is missing: redis-server, nats-server, postgres, Kafka, SecantusDB, the OpenTelemetry collector, Chromium, a rustc for guests",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| install(repository),
};

/// Installs everything that is missing.
fn install(repository: &Repository) -> anyhow::Result<()> {
    servers(repository)?;
    postgres(repository)?;
    kafka(repository)?;
    mongodb(repository)?;
    otelcol(repository)?;
    chromium(repository)?;
    guest_rustc(repository)?;
    Ok(())
}

/// Installs the servers that are missing, and what the workspace is built with.
pub fn servers(repository: &Repository) -> anyhow::Result<()> {
    c_libraries::install(repository)?;
    redis_server::install(repository)?;
    nats_server::install(repository)
}

/// Installs Postgres, which only tests and the bench need.
pub fn postgres(repository: &Repository) -> anyhow::Result<()> {
    postgres_server::install(repository)
}

/// Installs Kafka, which only tests need.
pub fn kafka(repository: &Repository) -> anyhow::Result<()> {
    kafka_server::install(repository)
}

/// Installs a stand-in for MongoDB, which only tests need.
pub fn mongodb(repository: &Repository) -> anyhow::Result<()> {
    mongodb_server::install(repository)
}

/// Builds the OpenTelemetry collector, which only tests need.
pub fn otelcol(repository: &Repository) -> anyhow::Result<()> {
    otelcol::install(repository)
}

/// Installs a browser, which only tests need.
pub fn chromium(repository: &Repository) -> anyhow::Result<()> {
    chromium::install(repository)
}

/// The rustc that builds guests; it is built when it is missing.
pub fn guest_rustc(repository: &Repository) -> anyhow::Result<PathBuf> {
    guest_toolchain::install(repository)
}
