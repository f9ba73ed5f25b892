//! A server that tests can hurt.

use std::{
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tempfile::TempDir;

use crate::{Process, ServerError, free_port};

/// How long a server that is stopped may take to end by itself.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How many ports are tried: another process may take one between the look and the start.
const PORT_ATTEMPTS_MAX: usize = 10;

/// What one kind of server needs to be started.
pub trait ServerKind {
    /// The name in errors.
    const NAME: &'static str;

    /// How long a server may take until it answers.
    const READY_LIMIT: Duration = Duration::from_secs(15);

    /// Finds the program.
    ///
    /// # Errors
    /// [`ServerError::Missing`] with the command that installs it.
    fn binary() -> Result<PathBuf, ServerError>;

    /// Writes what it reads when it starts.
    ///
    /// # Errors
    /// When that cannot be written.
    fn prepare(_port: u16, _folder: &Path) -> Result<(), ServerError> {
        Ok(())
    }

    /// Adds the arguments for a port and a data folder.
    fn arguments(command: &mut Command, port: u16, folder: &Path);

    /// Whether *this* process serves on the port: another one may have been quicker to take it.
    fn is_ready(pid: u32, port: u16, folder: &Path) -> bool;

    /// The address that a client is given.
    fn url(port: u16) -> String;
}

/// A server on a loopback port with a data folder of its own; both are kept across restarts.
///
/// Dropping it stops the server and removes the folder.
pub struct Server<K> {
    // Declared before the folder: dropped before it.
    process: Mutex<Option<Process>>,
    port: u16,
    folder: TempDir,
    kind: PhantomData<fn() -> K>,
}

impl<K: ServerKind> Server<K> {
    /// Starts a server on a free port and waits until it serves.
    ///
    /// # Errors
    /// When it is not installed, cannot start, or is not ready in time.
    pub fn start() -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new()
            .prefix("wrt-server-")
            .tempdir()
            .map_err(|source| ServerError::Folder {
                path: std::env::temp_dir(),
                source,
            })?;
        let (process, port) = launch::<K>(folder.path(), free_port)?;
        Ok(Self {
            process: Mutex::new(Some(process)),
            port,
            folder,
            kind: PhantomData,
        })
    }

    /// The address that a client is given; it does not change.
    pub fn url(&self) -> String {
        K::url(self.port)
    }

    /// The port; it does not change.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its data and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id; another one after a restart.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`] after a stop or a kill.
    pub fn pid(&self) -> Result<u32, ServerError> {
        self.with_process(|process| Ok(process.pid()))
    }

    /// What it has logged since its last start.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`] after a stop or a kill.
    pub fn log(&self) -> Result<String, ServerError> {
        self.with_process(Process::log)
    }

    /// The memory that it occupies.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`] after a stop or a kill.
    pub fn rss_bytes(&self) -> Result<u64, ServerError> {
        self.with_process(Process::rss_bytes)
    }

    /// Stops it in its tracks; its connections stay open.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`] after a stop or a kill.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.with_process(Process::pause)
    }

    /// Lets it go on after a pause.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`] after a stop or a kill.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.with_process(Process::resume)
    }

    /// Ends it at once, paused or not, as a crash would. The port stays reserved for a restart.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`] after a stop or a kill.
    pub fn kill(&self) -> Result<(), ServerError> {
        self.with_process(Process::kill)?;
        *self.lock() = None;
        Ok(())
    }

    /// Shuts it down in an orderly way. One that is not running is no error.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&self) -> Result<(), ServerError> {
        let process = self.lock().take();
        process.map_or(Ok(()), |process| process.stop(STOP_GRACE).map(drop))
    }

    /// Starts it again on the same port with the same data folder; stops it first when it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&self) -> Result<(), ServerError> {
        let mut current = self.lock();
        // Dropping stops it, and the new one needs its port.
        drop(current.take());
        let (process, _) = launch::<K>(self.folder.path(), || Ok(self.port))?;
        *current = Some(process);
        Ok(())
    }

    fn with_process<T>(
        &self,
        act: impl FnOnce(&Process) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        self.lock()
            .as_ref()
            .map_or(Err(ServerError::NotRunning { server: K::NAME }), act)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock()
    }
}

impl<K: ServerKind> fmt::Debug for Server<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct(K::NAME)
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

/// Starts a process and waits until it serves; the next port when another process took this one.
fn launch<K: ServerKind>(
    folder: &Path,
    next_port: impl Fn() -> Result<u16, ServerError>,
) -> Result<(Process, u16), ServerError> {
    let binary = K::binary()?;
    let mut attempt = 1;
    loop {
        let port = next_port()?;
        K::prepare(port, folder)?;
        let mut command = Command::new(&binary);
        K::arguments(&mut command, port, folder);
        let process = Process::spawn(K::NAME, command, folder.join("server.log"))?;
        let ready = process.wait_until("get ready", K::READY_LIMIT, || {
            Ok(K::is_ready(process.pid(), port, folder).then_some(()))
        });
        match ready {
            Ok(()) => return Ok((process, port)),
            Err(error) if attempt < PORT_ATTEMPTS_MAX && is_port_taken(&error) => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

fn is_port_taken(error: &ServerError) -> bool {
    matches!(error, ServerError::Exited { log, .. } if log.contains("ddress already in use"))
}
