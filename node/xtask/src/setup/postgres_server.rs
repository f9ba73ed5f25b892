//! postgres, from Debian.

use wrt_test_servers::postgres_folder;

use crate::{apt, repository::Repository};

/// Installs it unless it is here.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if postgres_folder().is_err() {
        apt::install(repository, "postgresql")?;
    }
    eprintln!("    postgres: {}", postgres_folder()?.display());
    Ok(())
}
