//! What a node keeps for its next start: the desired state as it was last known, and its epoch.

use std::{io, path::PathBuf};

use wrt_deployment::{Digest, Known};
use wrt_protocol::{Epoch, LatticeName, NodeId};

use super::private_folder::PrivateFolder;

/// The files of one node of one lattice.
pub struct Kept {
    folder: Option<PrivateFolder>,
    state: String,
    epoch: String,
}

impl Kept {
    /// Those of `node` in `folder`. Lattices of one name at different servers are different ones. A
    /// folder that cannot be used is told, and nothing is kept then.
    pub fn open(folder: Option<PathBuf>, url: &str, lattice: &LatticeName, node: &NodeId) -> Self {
        let folder = folder.and_then(|path| {
            let shown = path.display().to_string();
            let told = |error: &io::Error| {
                tracing::warn!(%error, path = shown, "nothing is kept for the next start");
            };
            PrivateFolder::open(path).inspect_err(told).ok()
        });
        let name = format!("{lattice}-{node}-{}", servers(url));
        Self {
            folder,
            state: format!("{name}.json"),
            epoch: format!("{name}.epoch"),
        }
    }

    /// The desired state as it was last known; nothing where nothing was kept. Apps of it that cannot
    /// be read are told.
    pub fn state(&self) -> Known {
        let Some(bytes) = self.read(&self.state) else {
            return Known::default();
        };
        match Known::from_json(&bytes) {
            Ok((known, unreadable)) => {
                for (app, reason) in unreadable {
                    tracing::warn!(app, reason, "what was kept of an app cannot be read");
                }
                known
            }
            Err(error) => {
                tracing::warn!(%error, file = self.state, "what was kept cannot be read");
                Known::default()
            }
        }
    }

    /// Keeps the desired state; that it could not be kept matters only at the next start.
    pub fn keep_state(&self, known: &Known) {
        self.write(&self.state, &known.to_json());
    }

    /// The epoch of the incarnation before.
    pub fn epoch(&self) -> Option<Epoch> {
        let bytes = self.read(&self.epoch)?;
        let text = String::from_utf8(bytes).ok()?;
        text.trim().parse().ok().map(Epoch)
    }

    /// Keeps this incarnation's epoch.
    pub fn keep_epoch(&self, epoch: Epoch) {
        self.write(&self.epoch, epoch.0.to_string().as_bytes());
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let told = |error: &io::Error| tracing::warn!(%error, name, "a kept file cannot be read");
        let read = self.folder.as_ref()?.read(name).inspect_err(told);
        read.ok().flatten()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = folder.write(name, bytes) {
            let path = folder.path(name);
            tracing::warn!(%error, path = %path.display(), "is not kept for the next start");
        }
    }
}

/// Stands for the servers of a URL, whoever connects to them and in whatever order they are named.
fn servers(url: &str) -> String {
    let mut servers: Vec<_> = url
        .split(',')
        .map(|url| {
            let url = url.trim();
            let host = url.rsplit_once("://").map_or(url, |(_, host)| host);
            host.rsplit_once('@').map_or(host, |(_, host)| host)
        })
        .collect();
    servers.sort_unstable();
    servers.dedup();
    let mut hex = Digest::of(servers.join(",").as_bytes()).to_hex();
    hex.truncate(12);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_the_same_whoever_asks() {
        let one = servers("nats://a:1,nats://b:2");
        assert_eq!(one, servers("nats://bob:hush@b:2, tls://a:1"));
        assert_ne!(one, servers("nats://a:1"));
    }
}
