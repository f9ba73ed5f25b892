//! A second stand-in for a MongoDB server: FerretDB, which is another program's reading of its protocol.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Server, ServerError, ServerKind, ferretdb_binary, mongodb::greets};

/// Where its data are.
const DATA_FOLDER: &str = "data";

/// A server on SQLite; its data survive a restart.
pub type FerretDbServer = Server<FerretDb>;

/// The kind of [`FerretDbServer`].
#[derive(Debug)]
pub enum FerretDb {}

impl ServerKind for FerretDb {
    const NAME: &'static str = "ferretdb";

    fn binary() -> Result<PathBuf, ServerError> {
        ferretdb_binary()
    }

    fn prepare(_port: u16, folder: &Path) -> Result<(), ServerError> {
        let path = folder.join(DATA_FOLDER);
        fs::create_dir_all(&path).map_err(|source| ServerError::Folder { path, source })
    }

    fn arguments(command: &mut Command, port: u16, folder: &Path) {
        command.arg("-listen").arg(format!("127.0.0.1:{port}"));
        command.arg("-dir").arg(folder.join(DATA_FOLDER));
    }

    fn is_ready(_pid: u32, port: u16, _folder: &Path) -> bool {
        greets(port).is_ok_and(|greets| greets)
    }

    fn url(port: u16) -> String {
        format!("mongodb://127.0.0.1:{port}/")
    }
}
