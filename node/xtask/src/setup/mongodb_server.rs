//! SecantusDB, a stand-in for MongoDB, from PyPI: packages of Python, each pinned by its version and hash.

use anyhow::Context;
use wrt_test_servers::{secantusdb_cached, secantusdb_folder};

use crate::{repository::Repository, setup::pypi};

/// What is installed, from the root.
const REQUIREMENTS: &str = "node/xtask/mongodb/requirements.txt";

/// Installs it in the project's cache folder unless it is there.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if secantusdb_folder().is_err() {
        let target = secantusdb_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
        pypi::ensure_pip(repository)?;
        pypi::install_packages(repository, "python3", REQUIREMENTS, &target)?;
    }
    eprintln!("    secantusdb: {}", secantusdb_folder()?.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use wrt_test_servers::SECANTUSDB_VERSION;

    use crate::setup::pypi;

    #[test]
    fn each_package_is_pinned_by_version_and_hash() {
        let requirements = include_str!("../../mongodb/requirements.txt");
        pypi::check_pinned(requirements);
        assert!(requirements.contains(&format!("SecantusDB=={SECANTUSDB_VERSION} ")));
    }
}
