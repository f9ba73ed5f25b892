//! Where the built programs and guests are.

use std::path::{Path, PathBuf};

use crate::ClusterError;

/// Which build of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `cargo build --workspace`: for tests.
    Dev,
    /// `cargo build --workspace --release`: for figures.
    Release,
}

/// The runtime's programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `wrt-node`.
    pub node: PathBuf,
    /// `wrt`.
    pub wrt: PathBuf,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is one folder deep")
}

impl Programs {
    /// Finds the programs of a build.
    ///
    /// # Errors
    /// When they are not built, with the command that builds them.
    pub fn find(profile: Profile) -> Result<Self, ClusterError> {
        let (folder, flag) = match profile {
            Profile::Dev => ("debug", ""),
            Profile::Release => ("release", " --release"),
        };
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| repository().join("target"), PathBuf::from);
        let find = |name: &str| {
            let path = target.join(folder).join(name);
            let command = format!("cargo build --workspace{flag}");
            if path.is_file() {
                Ok(path)
            } else {
                Err(ClusterError::Missing { path, command })
            }
        };
        Ok(Self {
            node: find("wrt-node")?,
            wrt: find("wrt")?,
        })
    }
}

/// A built example guest, by its crate's name: `counter`, `hello_http`.
///
/// # Errors
/// When it is not built, with the command that builds it.
pub fn guest(name: &str) -> Result<PathBuf, ClusterError> {
    let folder = repository().join("examples/target/wasm32-wasip2/release");
    let path = folder.join(name).with_extension("wasm");
    let command = "cargo xtask guests".to_owned();
    if path.is_file() {
        Ok(path)
    } else {
        Err(ClusterError::Missing { path, command })
    }
}
