//! A stand-in for a MongoDB server: SecantusDB, a Python program under the GPL, as a process of its own. No
//! genuine server can be had from a registry.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Server, ServerError, ServerKind, find_in_path, secantusdb_folder};

/// How long one look at the server may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// Where its data are.
const DATA_FOLDER: &str = "data";

/// In its folder, what else it is started with.
const ARGUMENTS_FILE: &str = "arguments";

/// A server of one member; its data survive a restart, and a kill.
pub type MongoDbServer = Server<MongoDb>;

/// The kind of [`MongoDbServer`].
#[derive(Debug)]
pub enum MongoDb {}

impl Server<MongoDb> {
    /// Starts it again, and from then on it asks who is there. Users are made before that.
    ///
    /// # Errors
    /// As [`Server::restart`].
    pub fn restart_asking_who_is_there(&self) -> Result<(), ServerError> {
        self.restart_with("--auth")
    }

    /// Starts it again, and from then on a kill loses nothing that was acknowledged: what came in the last
    /// moment is in its memory otherwise, as it is in a genuine server's.
    ///
    /// # Errors
    /// As [`Server::restart`].
    pub fn restart_keeping_all(&self) -> Result<(), ServerError> {
        self.restart_with("--sync-on-commit")
    }

    fn restart_with(&self, argument: &str) -> Result<(), ServerError> {
        let path = self.folder().join(ARGUMENTS_FILE);
        fs::write(&path, argument).map_err(|source| ServerError::Folder { path, source })?;
        self.restart()
    }
}

impl ServerKind for MongoDb {
    const NAME: &'static str = "mongodb";

    const READY_LIMIT: Duration = Duration::from_secs(60);

    fn binary() -> Result<PathBuf, ServerError> {
        secantusdb_folder()?;
        find_in_path("python3").ok_or_else(|| ServerError::Missing {
            server: "python3".to_owned(),
            fix: "cargo xtask setup",
        })
    }

    fn arguments(command: &mut Command, port: u16, folder: &Path) {
        command.env("PYTHONPATH", secantusdb_folder().unwrap_or_default());
        // It looks for a configuration where it is started.
        command.current_dir(folder);
        command
            .args(["-m", "secantus", "--log-level", "WARNING"])
            .args(["--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .args(["--cache-size", "64M", "--storage-path"])
            .arg(folder.join(DATA_FOLDER));
        command.args(fs::read_to_string(folder.join(ARGUMENTS_FILE)));
    }

    fn is_ready(_pid: u32, port: u16, _folder: &Path) -> bool {
        greets(port).is_ok_and(|greets| greets)
    }

    /// It says that it is the only member of a set, and under which name: that is not the way to it where a
    /// proxy stands in between.
    fn url(port: u16) -> String {
        format!("mongodb://127.0.0.1:{port}/?directConnection=true")
    }
}

/// Asks whoever listens on the port what it is: `hello`, as the one document of a message.
pub(crate) fn greets(port: u16) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, LOOK_LIMIT)?;
    stream.set_read_timeout(Some(LOOK_LIMIT))?;
    stream.write_all(HELLO)?;
    let mut head = [0; 16];
    stream.read_exact(&mut head)?;
    // The answer's kind is the question's, and it is the answer to that one.
    Ok(head[8..12] == HELLO[4..8] && head[12..16] == HELLO[12..16])
}

/// Length, number, whose answer it is, `OP_MSG`, no flags, one document: `{hello: 1, $db: "admin"}`.
const HELLO: &[u8] = b"\x34\0\0\0\x07\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";
