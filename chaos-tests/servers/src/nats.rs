//! nats-server with JetStream.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Server, ServerError, ServerKind, nats_server_binary};

/// A nats-server with JetStream; its streams survive a restart.
pub type NatsServer = Server<Nats>;

/// The kind of [`NatsServer`].
#[derive(Debug)]
pub enum Nats {}

impl ServerKind for Nats {
    const NAME: &'static str = "nats-server";

    fn binary() -> Result<PathBuf, ServerError> {
        nats_server_binary()
    }

    fn arguments(command: &mut Command, port: u16, folder: &Path) {
        command
            .args(["--addr", "127.0.0.1", "--port"])
            .arg(port.to_string());
        command
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(folder.join("jetstream"));
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
