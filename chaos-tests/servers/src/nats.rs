//! nats-server with JetStream.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Server, ServerError, ServerKind, nats_server_binary};

/// Where a server's configuration is, if it has one.
const CONFIG_FILE: &str = "nats.conf";

/// Where it keeps its streams.
const JETSTREAM_FOLDER: &str = "jetstream";

/// A nats-server with JetStream; its streams survive a restart.
pub type NatsServer = Server<Nats>;

/// The kind of [`NatsServer`].
#[derive(Debug)]
pub enum Nats {}

impl Server<Nats> {
    /// Sets it up otherwise from its next start on: by this configuration, which also says whether
    /// there is JetStream.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, config: &str) -> Result<(), ServerError> {
        let path = self.folder().join(CONFIG_FILE);
        fs::write(&path, config).map_err(|source| ServerError::Folder { path, source })
    }

    /// Where it keeps its streams, unless its configuration says otherwise.
    pub fn jetstream_folder(&self) -> PathBuf {
        self.folder().join(JETSTREAM_FOLDER)
    }

    /// Loses all of its streams, as a server does whose disk is replaced, and starts again.
    ///
    /// # Errors
    /// As [`Server::restart`], and when they cannot be removed.
    pub fn wipe(&self) -> Result<(), ServerError> {
        self.stop()?;
        let path = self.jetstream_folder();
        let removed = fs::remove_dir_all(&path);
        removed.map_err(|source| ServerError::Folder { path, source })?;
        self.restart()
    }
}

impl ServerKind for Nats {
    const NAME: &'static str = "nats-server";

    fn binary() -> Result<PathBuf, ServerError> {
        nats_server_binary()
    }

    fn arguments(command: &mut Command, port: u16, folder: &Path) {
        command
            .args(["--addr", "127.0.0.1", "--port"])
            .arg(port.to_string());
        let config = folder.join(CONFIG_FILE);
        if config.exists() {
            command.arg("--config").arg(config);
        } else {
            command
                .arg("--jetstream")
                .arg("--store_dir")
                .arg(folder.join(JETSTREAM_FOLDER));
        }
        command.arg("--ports_file_dir").arg(folder);
    }

    /// The server writes `<program>_<pid>.ports` once it listens. Because of the process id in the
    /// name, the file of an earlier, killed server does not count.
    fn is_ready(pid: u32, port: u16, folder: &Path) -> bool {
        let suffix = format!("_{pid}.ports");
        let Ok(entries) = fs::read_dir(folder) else {
            return false;
        };
        let file = entries.flatten().find(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.ends_with(&suffix))
        });
        let ports = file.and_then(|entry| fs::read_to_string(entry.path()).ok());
        ports.is_some_and(|ports| ports.contains(&format!("\"{}\"", Self::url(port))))
    }

    fn url(port: u16) -> String {
        format!("nats://127.0.0.1:{port}")
    }
}
