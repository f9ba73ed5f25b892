//! The default: SQLite, in this process. Each connection has a thread of its own, which waits for the disk
//! and for locks in the place of those that serve calls.

mod connection;
mod declared;
mod error;
mod session;
#[cfg(test)]
mod tests;
mod values;
mod worker;

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use wrt_contract::{CallContext, Gate, LeaseLimits};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{Backend, Serves, SettingsError, check_range};

use self::{connection::Place, session::SqliteSession, worker::Worker};
use crate::{Pool, SqlError, SqlInterface, SqlProvider, WrtSql};

/// How SQLite is set up.
#[derive(Debug, Clone, PartialEq, Eq, confique::Config)]
pub struct SqliteConfig {
    /// The file with the database, which is made if it is not there. A manifest names no file: it refers to
    /// a variable that the node's operator lets through. Without one it is a temporary file, which goes with
    /// the provider. Each node has its own: so the provider runs on one.
    #[config(env = "SQLITE_FILE")]
    pub file: Option<PathBuf>,
    /// How large the database may become, in bytes.
    #[config(env = "SQLITE_BYTES_MAX", default = 1_073_741_824)]
    pub bytes_max: u64,
    /// Connections, each with a thread: so many statements, streams and transactions at a time. One of them
    /// writes at a time, and those that read do not wait for it.
    #[config(env = "SQLITE_CONNECTIONS_MAX", default = 8)]
    pub connections_max: u64,
    /// How long a call waits for a connection, in milliseconds, before it is refused as *overloaded*.
    #[config(env = "SQLITE_CONNECTION_WAIT_MS", default = 5000)]
    pub connection_wait_ms: u64,
    /// After how long a transaction is rolled back that has not ended, in milliseconds.
    #[config(env = "SQLITE_TRANSACTION_MS_MAX", default = 30_000)]
    pub transaction_ms_max: u64,
}

/// SQLite as a provider. Cheap to clone; clones are one database.
#[derive(Clone)]
pub struct SqlDefault(Arc<Database>);

/// The database, and the connections to it.
struct Database {
    config: SqliteConfig,
    place: Place,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Worker>>,
    /// Of a temporary file.
    _folder: Option<TempDir>,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No folder for a temporary file.
    #[error("no folder for a temporary database")]
    Folder(#[source] io::Error),
    /// The file cannot be opened, or is none of SQLite's.
    #[error("cannot open {}: {why}", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says.
        why: SqlError,
    },
}

impl Backend for SqlDefault {
    const NAME: &'static str = "sqlite";

    const NODE_FILES: &'static [&'static str] = &["file"];

    type ConnectOptions = SqliteConfig;
    type ConnectError = OpenError;

    async fn connect_with(config: SqliteConfig) -> Result<Self, OpenError> {
        let (path, folder) = match &config.file {
            Some(path) => (path.clone(), None),
            None => {
                let folder = tempfile::Builder::new().prefix("wrt-sqlite-").tempdir();
                let folder = folder.map_err(OpenError::Folder)?;
                (folder.path().join("database"), Some(folder))
            }
        };
        let place = Place {
            is_lasting: folder.is_none(),
            bytes_max: config.bytes_max,
            path,
        };
        let first = Worker::start(place.clone()).await;
        let first = first.map_err(|why| OpenError::File {
            path: place.path.clone(),
            why,
        })?;
        let permits = usize::try_from(config.connections_max).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Database {
            config,
            place,
            permits: Arc::new(Semaphore::new(permits)),
            idle: Mutex::new(vec![first]),
            _folder: folder,
        })))
    }

    fn check(config: &SqliteConfig) -> Result<(), SettingsError> {
        check_range("bytes_max", config.bytes_max, 1 << 20..=1 << 46)?;
        check_range("connections_max", config.connections_max, 1..=256)?;
        check_range("connection_wait_ms", config.connection_wait_ms, 1..=60_000)?;
        check_range(
            "transaction_ms_max",
            config.transaction_ms_max,
            100..=3_600_000,
        )
    }
}

impl Serves<WrtSql> for SqlDefault {
    fn serve(entry: &mut wrt_runtime::Entry<Self>) {
        entry.offers_leases::<SqlInterface>(|database, gate| Arc::new(database.provider(gate)));
    }
}

impl SqlDefault {
    /// The interface, behind that gate.
    #[must_use]
    pub fn provider(&self, gate: &Arc<Gate>) -> SqlProvider<Self> {
        let SqliteConfig {
            connections_max,
            transaction_ms_max,
            ..
        } = self.0.config;
        let limits = LeaseLimits {
            leases_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
            lasts: Duration::from_millis(transaction_ms_max),
        };
        SqlProvider::new(Arc::new(self.clone()), gate, limits)
    }

    /// Connections that nobody has.
    #[must_use]
    pub fn free_connections(&self) -> usize {
        self.0.permits.available_permits()
    }
}

impl Pool for SqlDefault {
    type Session = SqliteSession;

    async fn session(&self, context: &CallContext) -> Result<SqliteSession, SqlError> {
        let database = &self.0;
        let wait = Duration::from_millis(database.config.connection_wait_ms);
        let permit = Arc::clone(&database.permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(wait, permit).await else {
            let kind = FaultKind::Overloaded { retry_after_ms: 0 };
            let detail = format!(
                "all {} connections were in use for {wait:?}",
                database.config.connections_max
            );
            let fault = Fault::not_executed(kind, Hop::Backend, detail);
            return Err(fault.after(context.elapsed()).into());
        };
        let idle = database.idle.lock().pop();
        let worker = match idle {
            Some(worker) => worker,
            None => Worker::start(database.place.clone()).await?,
        };
        Ok(SqliteSession::of(Arc::clone(database), worker, permit))
    }
}

impl fmt::Debug for SqlDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlDefault")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
