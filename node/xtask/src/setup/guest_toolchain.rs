//! A rustc that builds components, by `guest-toolchain.sh`.

use std::path::PathBuf;

use anyhow::ensure;

use crate::{repository::Repository, step::Step};

/// Builds it when it is missing, and returns its path.
pub fn install(repository: &Repository) -> anyhow::Result<PathBuf> {
    let command = repository.command(repository.path("node/xtask/guest-toolchain.sh"));
    let step = Step {
        title: "find or build the guest toolchain",
        usually: "0.1 s, once 2 min",
    };
    let stdout = step.run_quietly(command)?;
    let rustc = PathBuf::from(stdout.lines().next_back().unwrap_or_default());
    ensure!(
        rustc.is_file(),
        "guest-toolchain.sh answered {stdout:?}, which is not a rustc"
    );
    eprintln!("    guest rustc: {}", rustc.display());
    Ok(rustc)
}
