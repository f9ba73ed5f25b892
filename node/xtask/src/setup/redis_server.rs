//! redis-server, from Debian.

use wrt_test_servers::redis_server_binary;

use crate::{apt, repository::Repository};

/// Installs it unless it is on the `PATH`.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if redis_server_binary().is_err() {
        apt::install(repository, "redis-server")?;
    }
    eprintln!("    redis-server: {}", redis_server_binary()?.display());
    Ok(())
}
