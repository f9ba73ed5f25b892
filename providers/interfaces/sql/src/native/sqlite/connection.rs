//! How a connection is opened, and what a component's SQL may do on it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::error::failure;
use crate::SqlError;

/// Instructions of SQLite's machine between two looks at whether the work is still wanted.
const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 1000;

/// How long a connection waits before it asks for a lock again.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 128;

/// Bytes of a page, which is SQLite's own default.
const PAGE_BYTES: u64 = 4096;

/// What a component may ask for by a pragma; it sets none.
const PRAGMAS: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Where a database is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Whether it is to outlive a loss of power.
    pub(super) is_lasting: bool,
    pub(super) bytes_max: u64,
}

/// What a connection looks at while it works.
#[derive(Default)]
pub(super) struct Switches {
    /// Nobody waits for the work any more.
    pub(super) stop: AtomicBool,
    /// The statement that is prepared is the provider's own.
    pub(super) is_ours: AtomicBool,
}

pub(super) fn open(place: &Place, switches: &Arc<Switches>) -> Result<Connection, SqlError> {
    try_open(place, switches).map_err(|error| failure(&error))
}

fn try_open(place: &Place, switches: &Arc<Switches>) -> rusqlite::Result<Connection> {
    // Without URIs: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&place.path, flags)?;
    let stop = Arc::clone(switches);
    let look = move || stop.stop.load(SeqCst);
    connection.progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(look))?;
    let stop = Arc::clone(switches);
    connection.busy_handler(Some(move |_tried| {
        // Nothing tells when a lock is free; whoever does not wait any more is heard at once.
        thread::park_timeout(LOCK_PAUSE);
        !stop.stop.load(SeqCst)
    }))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let synchronous = if place.is_lasting { "FULL" } else { "OFF" };
    let pages_max = place.bytes_max / PAGE_BYTES;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA max_page_count = {pages_max};"
    ))?;
    let switches = Arc::clone(switches);
    connection.authorizer(Some(move |asked: AuthContext<'_>| {
        match switches.is_ours.load(SeqCst) || is_allowed(&asked.action) {
            true => Authorization::Allow,
            false => Authorization::Deny,
        }
    }))?;
    Ok(connection)
}

/// A component has the database, and no other file of the node, nor what holds for the connection.
fn is_allowed(action: &AuthAction<'_>) -> bool {
    match action {
        // `VACUUM` works in a nameless file, and in a transaction. Those of a component are refused before.
        AuthAction::Attach { filename } => filename.is_empty(),
        AuthAction::Pragma {
            pragma_name,
            pragma_value: _,
        } => PRAGMAS.contains(&pragma_name.to_ascii_lowercase().as_str()),
        AuthAction::Unknown { .. } => false,
        _ => true,
    }
}

/// Runs a statement of the provider's own.
pub(super) fn run_ours(
    connection: &Connection,
    switches: &Switches,
    text: &str,
) -> rusqlite::Result<()> {
    switches.is_ours.store(true, SeqCst);
    let done = connection.execute_batch(text);
    switches.is_ours.store(false, SeqCst);
    done
}
