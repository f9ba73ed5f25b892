//! Chromium, from Debian.

use wrt_test_servers::chromium_binary;

use crate::{apt, repository::Repository};

/// Installs it unless it is on the `PATH`.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if chromium_binary().is_err() {
        apt::install(repository, "chromium")?;
    }
    eprintln!("    chromium: {}", chromium_binary()?.display());
    Ok(())
}
