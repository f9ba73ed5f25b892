//! A connection that is one caller's for a while.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use rusqlite::{CachedStatement, Connection, Statement, fallible_iterator::FallibleIterator as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{
    Database,
    connection::run_ours,
    declared::Declared,
    error::failure,
    values::{bind, parameters_of, read},
    worker::Worker,
};
use crate::native::{scan::has_more_behind_a_semicolon, value::row_bytes};
use crate::{
    Column, Command, Description, End, Row, Savepoint, Session, SqlError, TransactionOptions,
    limits::PIECE_BYTES,
};

/// Pieces that wait for who reads them.
const PIECES_AHEAD: usize = 1;

/// A worker, until it is dropped.
pub struct SqliteSession {
    database: Arc<Database>,
    worker: Worker,
    /// Given back by the worker, when it has nothing more to do.
    permit: Option<OwnedSemaphorePermit>,
    rows: Option<mpsc::Receiver<Result<Vec<Row>, SqlError>>>,
    /// Its transaction, if it is in one, only reads.
    is_read_only: bool,
}

impl SqliteSession {
    pub(super) fn of(
        database: Arc<Database>,
        worker: Worker,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            database,
            worker,
            permit: Some(permit),
            rows: None,
            is_read_only: false,
        }
    }

    /// Has the worker do something, and waits for it.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let (tell, told) = oneshot::channel();
        self.worker.submit(Box::new(move |connection| {
            let _nobody_waits = tell.send(work(connection));
        }))?;
        told.await.map_err(|_ended| lost())?
    }

    /// Runs a statement of the provider's own.
    async fn control(&self, text: String) -> Result<(), SqlError> {
        let switches = self.worker.switches();
        self.ask(move |connection| {
            run_ours(connection, &switches, &text).map_err(|error| failure(&error))
        })
        .await
    }
}

impl Session for SqliteSession {
    /// All that SQLite has is serializable.
    async fn begin(&mut self, options: &TransactionOptions) -> Result<(), SqlError> {
        // One that writes has the lock from its beginning: none is refused in its middle.
        self.is_read_only = options.read_only;
        let words = match options.read_only {
            true => "PRAGMA query_only = ON; BEGIN DEFERRED",
            false => "BEGIN IMMEDIATE",
        };
        self.control(words.to_owned()).await
    }

    async fn end(&mut self, how: End) -> Result<(), SqlError> {
        let words = match how {
            End::Commit => "COMMIT",
            End::Rollback => "ROLLBACK",
        };
        self.control(words.to_owned()).await
    }

    async fn savepoint(&mut self, what: Savepoint, name: &str) -> Result<(), SqlError> {
        self.control(what.statement(name)).await
    }

    async fn execute(&mut self, command: &Command) -> Result<u64, SqlError> {
        let command = command.clone();
        self.ask(move |connection| execute(connection, &command))
            .await
    }

    async fn query(&mut self, command: &Command) -> Result<Vec<Column>, SqlError> {
        let command = command.clone();
        let (tell, told) = oneshot::channel();
        let (pieces, rows) = mpsc::channel(PIECES_AHEAD);
        self.worker.submit(Box::new(move |connection| {
            query(connection, &command, tell, &pieces);
        }))?;
        let columns = told.await.map_err(|_ended| lost())??;
        self.rows = Some(rows);
        Ok(columns)
    }

    async fn next(&mut self) -> Result<Vec<Row>, SqlError> {
        let Some(rows) = &mut self.rows else {
            return Ok(Vec::new());
        };
        match rows.recv().await {
            Some(piece) => piece,
            None => {
                self.rows = None;
                Ok(Vec::new())
            }
        }
    }

    async fn describe(&mut self, text: &str) -> Result<Description, SqlError> {
        let text = text.to_owned();
        self.ask(move |connection| {
            let statement = prepare(connection, &text)?;
            let parameters = vec!["any".to_owned(); parameters_of(&statement)?];
            let (columns, _) = columns_of(&statement);
            Ok(Description {
                parameters,
                columns,
            })
        })
        .await
    }
}

/// Stops what runs. The worker is free when it has stopped, and is in no transaction.
impl Drop for SqliteSession {
    fn drop(&mut self) {
        self.worker.stop().store(true, SeqCst);
        self.rows = None;
        let (worker, database) = (self.worker.clone(), Arc::clone(&self.database));
        let permit = self.permit.take();
        let (switches, is_read_only) = (self.worker.switches(), self.is_read_only);
        let give_back = move |connection: &mut Connection| {
            switches.reset();
            let ours = |text| run_ours(connection, &switches, text).is_ok();
            let is_over = connection.is_autocommit() || ours("ROLLBACK");
            if is_over && (!is_read_only || ours("PRAGMA query_only = OFF")) {
                database.idle.lock().push(worker);
            }
            drop(permit);
        };
        // One whose thread has ended is not given back, but its permit is.
        let _ended = self.worker.submit(Box::new(give_back));
    }
}

fn prepare<'a>(connection: &'a Connection, text: &str) -> Result<CachedStatement<'a>, SqlError> {
    if has_more_behind_a_semicolon(text) {
        let mut statements = rusqlite::Batch::new(connection, text);
        let mut next = || statements.next().map(|found| found.is_some());
        let are_many = next().and_then(|first| Ok(first && next()?));
        if are_many.map_err(|error| failure(&error))? {
            let message = "a command is one statement: use a batch for several";
            return Err(SqlError::refused("42601", message));
        }
    }
    let prepared = connection.prepare_cached(text);
    prepared.map_err(|error| failure(&error))
}

fn columns_of(statement: &Statement<'_>) -> (Vec<Column>, Vec<Declared>) {
    let columns = statement.columns();
    let columns = columns.map(|column| {
        let declared = column.decl_type().unwrap_or("any").to_ascii_lowercase();
        let kind = Declared::of(&declared);
        let column = Column {
            name: column.name().to_owned(),
            type_name: declared,
        };
        (column, kind)
    });
    columns.unzip()
}

/// How many rows it has changed, or else answers with.
fn execute(connection: &Connection, command: &Command) -> Result<u64, SqlError> {
    let mut statement = prepare(connection, &command.text)?;
    bind(&mut statement, &command.parameters)?;
    let (changes_before, answers) = (connection.total_changes(), statement.column_count() > 0);
    let mut rows = statement.raw_query();
    let mut count = 0;
    while rows.next().map_err(|error| failure(&error))?.is_some() {
        count += 1;
    }
    drop(rows);
    Ok(match answers {
        true => count,
        false if connection.total_changes() == changes_before => 0,
        false => connection.changes(),
    })
}

type TellColumns = oneshot::Sender<Result<Vec<Column>, SqlError>>;
type Pieces = mpsc::Sender<Result<Vec<Row>, SqlError>>;

fn query(connection: &Connection, command: &Command, tell: TellColumns, pieces: &Pieces) {
    let mut tell = Some(tell);
    let Err(error) = rows(connection, command, &mut tell, pieces) else {
        return;
    };
    let _nobody_waits = match tell {
        Some(tell) => tell.send(Err(error)).is_ok(),
        None => pieces.blocking_send(Err(error)).is_ok(),
    };
}

/// Reads rows as long as somebody takes them.
fn rows(
    connection: &Connection,
    command: &Command,
    tell: &mut Option<TellColumns>,
    pieces: &Pieces,
) -> Result<(), SqlError> {
    let mut statement = prepare(connection, &command.text)?;
    bind(&mut statement, &command.parameters)?;
    let (mut columns, mut declared) = columns_of(&statement);
    let mut rows = statement.raw_query();
    let (mut piece, mut bytes) = (Vec::new(), 0);
    // What is wrong with its first row is told in place of its columns; and the first step sees whether
    // tables have other columns than when it was prepared.
    let mut next = rows.next().map_err(|error| failure(&error))?;
    if let Some(row) = next {
        (columns, declared) = columns_of(row.as_ref());
    }
    if let Some(tell) = tell.take() {
        let _nobody_waits = tell.send(Ok(columns));
    }
    while let Some(row) = next {
        let values = declared.iter().enumerate();
        let row: Row = values
            .map(|(at, declared)| read(row, at, declared))
            .collect::<Result<_, SqlError>>()?;
        bytes += row_bytes(&row);
        piece.push(row);
        if bytes >= PIECE_BYTES {
            bytes = 0;
            if pieces
                .blocking_send(Ok(std::mem::take(&mut piece)))
                .is_err()
            {
                return Ok(());
            }
        }
        next = rows.next().map_err(|error| failure(&error))?;
    }
    if !piece.is_empty() {
        let _nobody_reads = pieces.blocking_send(Ok(piece));
    }
    Ok(())
}

/// What is said when a worker ends within its work.
fn lost() -> SqlError {
    let detail = "sqlite: the thread of the connection has ended";
    Fault::maybe_executed(FaultKind::Crashed, Hop::Backend, detail).into()
}
