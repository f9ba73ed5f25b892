//! `cargo xtask azure`: what Azure's own SDK says of the double that stands for its services in the tests.
//!
//! It is no part of `cargo xtask test`: it judges the double, which changes seldom, and not the backend.

use std::path::PathBuf;

use anyhow::Context;
use clap::ArgMatches;
use wrt_test_servers::cache_folder;

use crate::{command::Command, repository::Repository, setup::pypi, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "azure",
    about: "Have Azure's SDK for Python judge the double that the azure backend is tested against",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| run(repository),
};

/// What is installed, from the root.
const REQUIREMENTS: &str = "node/xtask/azure/requirements.txt";

/// The version that the folder is named by.
const SECRETS_VERSION: &str = "4.12.0";

fn run(repository: &Repository) -> anyhow::Result<()> {
    let sdk = folder()?;
    if !sdk.join("azure").is_dir() {
        pypi::ensure_pip(repository)?;
        pypi::install_packages(repository, "python3", REQUIREMENTS, &sdk)?;
    }
    // All of them, so that the crates are those that the tests are built with.
    Step {
        title: "build the double",
        usually: "1 min",
    }
    .run(repository.cargo("build --workspace --examples --locked"))?;
    let mut oracle = repository.command(repository.built("debug", "examples/azure_oracle"));
    oracle.env("PYTHONPATH", sdk);
    Step {
        title: "have the SDK judge it",
        usually: "5 s",
    }
    .run(oracle)
}

fn folder() -> anyhow::Result<PathBuf> {
    let cache = cache_folder().context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join(format!("azure-sdk-{SECRETS_VERSION}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_pinned_by_version_and_hash() {
        let requirements = include_str!("../azure/requirements.txt");
        pypi::check_pinned(requirements);
        assert!(requirements.contains(&format!("azure-keyvault-secrets=={SECRETS_VERSION} ")));
    }
}
