//! `cargo xtask guests`: builds the examples' components.

use std::fs;

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches};

use crate::{command::Command, repository::Repository, setup, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "guests",
    about: "Build the components of examples/",
    arguments: |parser| {
        let lock = Arg::new("lock").long("lock").action(ArgAction::SetTrue);
        parser.arg(lock.help("First add to their Cargo.lock what it lacks"))
    },
    run: |repository: &Repository, matches: &ArgMatches| {
        if matches.get_flag("lock") {
            lock(repository)?;
        }
        build(repository)
    },
};

/// The workspaces that have guests, and which packages of them are some.
const WORKSPACES: [(&str, &str); 2] = [
    ("examples", "--workspace"),
    ("examples/custom-node", "--package custom-guest"),
];

/// Adds new guests, and what only they need, to the locks. What is locked stays as it is.
pub fn lock(repository: &Repository) -> anyhow::Result<()> {
    for (folder, _) in WORKSPACES {
        let update = format!("update --manifest-path {folder}/Cargo.toml --workspace");
        Step {
            title: "lock the guests",
            usually: "1 s",
        }
        .run(repository.cargo(&update))?;
    }
    Ok(())
}

/// Fails when a lock lacks something, and says how to add it: cargo says only that it may not.
fn check_lock(repository: &Repository, folder: &str) -> anyhow::Result<()> {
    let mut cargo = repository.cargo(&format!(
        "tree --manifest-path {folder}/Cargo.toml --workspace --depth 0 --locked --target wasm32-wasip2",
    ));
    let output = cargo.output().context("cannot run cargo")?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("--locked") {
        bail!(
            "{folder}/Cargo.lock lacks a crate, or what one needs; to add it and change nothing else:\n    \
             cargo xtask guests --lock"
        );
    }
    bail!("cannot read {folder}/Cargo.toml:\n{}", error.trim())
}

/// Those of the examples that have tests of their own, as arguments of cargo.
pub fn with_tests(repository: &Repository) -> anyhow::Result<String> {
    let folder = repository.path("examples");
    let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    let mut packages = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join("tests").is_dir() {
            let name = path.file_name().unwrap_or_default().display().to_string();
            packages.push(format!("--package {name}"));
        }
    }
    if packages.is_empty() {
        bail!("no example has tests");
    }
    packages.sort_unstable();
    Ok(packages.join(" "))
}

/// Builds all of them.
pub fn build(repository: &Repository) -> anyhow::Result<()> {
    for (folder, _) in WORKSPACES {
        check_lock(repository, folder)?;
    }
    let rustc = setup::guest_rustc(repository)?;
    for (folder, packages) in WORKSPACES {
        let mut cargo = repository.cargo(&format!(
            "build --manifest-path {folder}/Cargo.toml {packages} --release --locked \
             --target wasm32-wasip2",
        ));
        // For this command only: the rest of the workspace is built by the ordinary rustc. The folder
        // is named because tests look there, wherever the workspace's own artefacts go.
        cargo
            .env("RUSTC", &rustc)
            .env("CARGO_TARGET_DIR", repository.path("examples/target"));
        Step {
            title: "build the guests",
            usually: "1 s, from scratch 1 min",
        }
        .run(cargo)?;
    }
    Ok(())
}
