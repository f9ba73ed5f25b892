//! Real servers and real nodes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tempfile::TempDir;
use wrt_test_servers::{NatsServer, Process, RedisServer, ServerError, free_port};

use crate::{Manifest, Profile, Programs, status::LatticeStatus};

/// Time between two looks at something that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// What keeps a cluster from starting, or from doing what it was told.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A program or a guest that is not built.
    #[error("{} is missing: run `{command}`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// What builds it.
        command: String,
    },
    /// A server or a node that does not start.
    #[error("a process of the cluster failed")]
    Server(#[from] ServerError),
    /// A file of the cluster's folder.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `wrt` ended with an error.
    #[error("`wrt {arguments}` failed with {status}: {output}")]
    Command {
        /// What it was asked.
        arguments: String,
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// A node that was asked to end, and has not.
    #[error("node {name} still runs {limit:?} after it was asked to end; its log:\n{log}")]
    StillRuns {
        /// Which.
        name: String,
        /// How long it had.
        limit: Duration,
        /// What it has logged.
        log: String,
    },
    /// What `wrt` printed is not what was expected.
    #[error("`wrt ps` printed something else: {output}")]
    Unreadable {
        /// What.
        output: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No node of that name runs.
    #[error("no node {name} runs")]
    NoNode {
        /// Which.
        name: String,
    },
}

/// A lattice of real processes: nats-server, redis, and the nodes that a scenario starts.
pub struct Cluster {
    programs: Programs,
    // Declared before the servers, and so dropped before them: a node leaves a bus that is there at
    // once, and tries for a second with one that is not.
    nodes: Mutex<BTreeMap<String, Process>>,
    nats: NatsServer,
    redis: RedisServer,
    folder: TempDir,
}

impl Cluster {
    /// Starts the servers, and no node yet.
    ///
    /// # Errors
    /// When a program is not built or a server does not start.
    pub fn start(profile: Profile) -> Result<Self, ClusterError> {
        let folder = TempDir::with_prefix("wrt-cluster-").map_err(|source| ClusterError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        Ok(Self {
            programs: Programs::find(profile)?,
            nats: NatsServer::start()?,
            redis: RedisServer::start()?,
            nodes: Mutex::default(),
            folder,
        })
    }

    /// The bus.
    pub fn nats(&self) -> &NatsServer {
        &self.nats
    }

    /// The service behind the key-value provider.
    pub fn redis(&self) -> &RedisServer {
        &self.redis
    }

    /// The cluster's programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The cluster's folder: logs are in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a node and returns when its process runs; `wrt up` waits until it serves.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node(&self, name: &str) -> Result<(), ClusterError> {
        self.start_node_at(name, &self.nats.url())
    }

    /// Starts several nodes.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start_nodes(&self, names: &[&str]) -> Result<(), ClusterError> {
        names.iter().try_for_each(|name| self.start_node(name))
    }

    /// Starts a node that reaches the bus at `lattice_url`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node_at(&self, name: &str, lattice_url: &str) -> Result<(), ClusterError> {
        self.start_node_with(name, &[], &["--lattice", lattice_url])
    }

    /// Starts a node by way of other programs (`prlimit --fsize=1`), and with more arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node_with(
        &self,
        name: &str,
        by_way_of: &[&str],
        arguments: &[&str],
    ) -> Result<(), ClusterError> {
        let node = Command::new(&self.programs.node);
        let command = match by_way_of {
            [] => node,
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(node.get_program());
                command
            }
        };
        self.spawn(command, name, arguments)
    }

    /// Starts a node with a role, for apps that ask for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node_of_role(&self, name: &str, role: &str) -> Result<(), ClusterError> {
        let (lattice_url, label) = (self.nats.url(), format!("role={role}"));
        let arguments = ["--lattice", &lattice_url, "--label", &label];
        self.start_node_with(name, &[], &arguments)
    }

    fn spawn(
        &self,
        mut command: Command,
        name: &str,
        arguments: &[&str],
    ) -> Result<(), ClusterError> {
        command.args(["join", "--name", name]).args(arguments);
        // With the calls that are tried again.
        command.env("RUST_LOG", "info,wrt_request::path=debug");
        command.env("NO_COLOR", "1");
        // As operators have it who look for a fault: no stack may get out by that.
        command.env("RUST_BACKTRACE", "1");
        let cache = self.folder.path().join(format!("{name}.cache"));
        command.env("XDG_CACHE_HOME", cache);
        let log = self.folder.path().join(format!("{name}.log"));
        let process = Process::spawn(name, command, log)?;
        self.nodes().insert(name.to_owned(), process);
        Ok(())
    }

    /// Does something with a node's process.
    ///
    /// # Errors
    /// When no node of that name runs, or when `act` fails.
    pub fn with_node<T>(
        &self,
        name: &str,
        act: impl FnOnce(&Process) -> Result<T, ServerError>,
    ) -> Result<T, ClusterError> {
        let nodes = self.nodes();
        let no_node = || ClusterError::NoNode {
            name: name.to_owned(),
        };
        Ok(act(nodes.get(name).ok_or_else(no_node)?)?)
    }

    /// Kills a node with SIGKILL.
    ///
    /// # Errors
    /// When no node of that name runs.
    pub fn kill_node(&self, name: &str) -> Result<(), ClusterError> {
        self.with_node(name, Process::kill)?;
        self.nodes().remove(name);
        Ok(())
    }

    /// Asks a node to end (SIGTERM) and waits until it has; answers with what.
    ///
    /// # Errors
    /// When no node of that name runs, or when it has not ended after `limit`.
    pub async fn terminate_node(
        &self,
        name: &str,
        limit: Duration,
    ) -> Result<ExitStatus, ClusterError> {
        self.with_node(name, Process::terminate)?;
        let asked = Instant::now();
        loop {
            let ended = self.with_node(name, |process| process.wait(Duration::ZERO))?;
            if let Some(status) = ended {
                self.nodes().remove(name);
                return Ok(status);
            }
            if asked.elapsed() > limit {
                return Err(ClusterError::StillRuns {
                    name: name.to_owned(),
                    limit,
                    log: self.node_log(name),
                });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Stops a node with SIGSTOP: it keeps its connections and does nothing.
    ///
    /// # Errors
    /// When no node of that name runs.
    pub fn pause_node(&self, name: &str) -> Result<(), ClusterError> {
        self.with_node(name, Process::pause)
    }

    /// Lets a stopped node go on.
    ///
    /// # Errors
    /// When no node of that name runs.
    pub fn resume_node(&self, name: &str) -> Result<(), ClusterError> {
        self.with_node(name, Process::resume)
    }

    /// Resident memory of a node, in bytes.
    ///
    /// # Errors
    /// When no node of that name runs.
    pub fn node_rss_bytes(&self, name: &str) -> Result<u64, ClusterError> {
        self.with_node(name, Process::rss_bytes)
    }

    /// What a node has logged.
    pub fn node_log(&self, name: &str) -> String {
        let path = self.folder.path().join(format!("{name}.log"));
        fs::read_to_string(path).unwrap_or_default()
    }

    /// How many calls of a node were tried again although they may have been executed.
    pub fn repeated(&self, name: &str) -> usize {
        let log = self.node_log(name);
        let is_one = |line: &&str| {
            line.contains("a call is tried again") && line.contains("(maybe executed;")
        };
        log.lines().filter(is_one).count()
    }

    /// A free loopback address.
    ///
    /// # Errors
    /// When there is none.
    pub fn free_address(&self) -> Result<String, ClusterError> {
        Ok(format!("127.0.0.1:{}", free_port()?))
    }

    /// Runs `wrt` with `arguments` on this lattice and answers what it printed.
    ///
    /// # Errors
    /// When it ends with a status other than 0.
    pub fn wrt(&self, arguments: &[&str]) -> Result<String, ClusterError> {
        self.wrt_by(&self.nats.url(), arguments)
    }

    /// The same by another way to NATS.
    ///
    /// # Errors
    /// As [`Cluster::wrt`].
    pub fn wrt_by(&self, lattice: &str, arguments: &[&str]) -> Result<String, ClusterError> {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(&self.programs.wrt)
            .args(arguments)
            .args(["--lattice", lattice])
            .env("NO_COLOR", "1")
            // Nobody is there to be asked.
            .env("WRT_YES", "1")
            .output()
            .map_err(|source| ClusterError::File {
                path: self.programs.wrt.clone(),
                source,
            })?;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        if status.success() {
            return Ok(stdout);
        }
        let stderr = String::from_utf8_lossy(&stderr);
        Err(ClusterError::Command {
            arguments: arguments.join(" "),
            status: status.to_string(),
            output: format!("{stdout}{stderr}"),
        })
    }

    /// Runs `wrt` with `arguments`, which is to fail, and answers what it said.
    ///
    /// # Errors
    /// When it does not fail.
    pub fn wrt_fails(&self, arguments: &[&str]) -> Result<String, ClusterError> {
        match self.wrt(arguments) {
            Err(ClusterError::Command { output, .. }) => Ok(output),
            Ok(output) => Err(ClusterError::Command {
                arguments: arguments.join(" "),
                status: "success, which was not expected".to_owned(),
                output,
            }),
            Err(error) => Err(error),
        }
    }

    /// What `wrt ps` shows.
    ///
    /// # Errors
    /// When `wrt ps` fails.
    pub fn status(&self) -> Result<LatticeStatus, ClusterError> {
        let output = self.wrt(&["ps", "--output", "json"])?;
        serde_json::from_str(&output).map_err(|source| ClusterError::Unreadable { output, source })
    }

    /// Deploys a manifest and waits until every replica is ready.
    ///
    /// # Errors
    /// When `wrt up` fails.
    pub fn up(&self, manifest: &Manifest) -> Result<(), ClusterError> {
        let path = self.write_manifest(manifest)?;
        self.wrt(&["up", &path]).map(|_| ())
    }

    /// Writes a manifest to where [`Cluster::up`] does, and answers with that.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<String, ClusterError> {
        let path = self.folder.path().join("app.toml");
        fs::write(&path, manifest.text()).map_err(|source| ClusterError::File {
            path: path.clone(),
            source,
        })?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// The folder in which a node keeps what it needs at its next start.
    pub fn kept_folder(&self, node: &str) -> PathBuf {
        self.cache_folder(node).join("desired")
    }

    /// The folder in which a node keeps what it can make again, unless it was told another one.
    pub fn cache_folder(&self, node: &str) -> PathBuf {
        self.folder.path().join(format!("{node}.cache")).join("wrt")
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.nodes.lock()
    }
}
