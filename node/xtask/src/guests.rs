//! `cargo xtask guests`: builds the examples' components.

use clap::ArgMatches;

use crate::{command::Command, repository::Repository, setup, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "guests",
    about: "Build the components of examples/",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| build(repository),
};

/// Builds all of them.
pub fn build(repository: &Repository) -> anyhow::Result<()> {
    let rustc = setup::guest_rustc(repository)?;
    let mut cargo = repository.cargo(
        "build --manifest-path examples/Cargo.toml --release --locked --target wasm32-wasip2",
    );
    // For this command only: the rest of the workspace is built by the ordinary rustc. The folder is
    // named because tests look there, wherever the workspace's own artefacts go.
    cargo
        .env("RUSTC", rustc)
        .env("CARGO_TARGET_DIR", repository.path("examples/target"));
    Step {
        title: "build the guests",
        usually: "1 s, from scratch 1 min",
    }
    .run(cargo)
}
