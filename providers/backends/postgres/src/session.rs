//! A connection that is one caller's for a while.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use deadpool_postgres::Object;
use futures::{Stream as _, TryStreamExt as _};
use tokio_postgres::{Error, RowStream, Statement};
use wrt_protocol::Execution;
use wrt_sql::{
    Column, Command, Description, End, Isolation, Row, Savepoint, Session, SqlError,
    TransactionOptions, Value, limits::PIECE_BYTES,
};

use crate::{
    as_text::{unknown_columns, with_texts},
    client::Parts,
    decode::{Cell, other, type_name},
    encode::Parameter,
    error::{CANCELLED, READ_ONLY, failure, is_refused_here, is_stale, may_be_of_types},
};

/// How long a connection may take to be of use again, before it is closed.
const CLEAN_WITHIN: Duration = Duration::from_secs(5);
/// How long after the server was asked to stop what runs it is asked again.
const CANCELLED_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often a cancellation may hit what follows.
const UNDONE_MAX: u32 = 4;

/// A connection of the pool, until it is dropped.
pub struct PostgresSession {
    parts: Arc<Parts>,
    /// Taken by the drop.
    client: Option<Object>,
    /// Something was sent whose answer has not ended.
    is_running: bool,
    in_transaction: bool,
    /// The transaction takes no writes because it was begun so.
    is_read_only: bool,
    /// The server takes no writes: another one may, under the same name.
    leave: bool,
    rows: Option<Rows>,
}

/// The rows of a query.
struct Rows {
    stream: Pin<Box<RowStream>>,
    /// Those of its columns that come as texts, with their types.
    as_texts: Vec<(usize, tokio_postgres::types::Type)>,
}

/// A statement that can be run.
struct Prepared {
    statement: Statement,
    /// It was prepared for an earlier call: what it says of types may be of another time.
    is_from_cache: bool,
    /// As they are told, if its rows are read.
    columns: Vec<Column>,
    as_texts: Vec<(usize, tokio_postgres::types::Type)>,
}

impl PostgresSession {
    pub(crate) fn of(parts: Arc<Parts>, client: Object) -> Self {
        Self {
            parts,
            client: Some(client),
            is_running: false,
            in_transaction: false,
            is_read_only: false,
            leave: false,
            rows: None,
        }
    }

    fn client(&self) -> &Object {
        let client = self.client.as_ref();
        client.expect("it is there until the session is dropped")
    }

    /// Prepares a statement, or has it from the cache. Nothing of it is executed.
    async fn statement(&mut self, text: &str) -> Result<Prepared, SqlError> {
        let cache = &self.client().statement_cache;
        if cache.size() >= self.parts.statements_max() {
            cache.clear();
        }
        // Nobody else fills it: the connection is this session's.
        let kept = cache.size();
        self.is_running = true;
        let statement = self.client().prepare_cached(text).await;
        let is_from_cache = self.client().statement_cache.size() == kept;
        Ok(Prepared {
            statement: self.answered(statement, Execution::NotExecuted)?,
            is_from_cache,
            columns: Vec::new(),
            as_texts: Vec::new(),
        })
    }

    /// Prepares a statement whose rows are read.
    async fn readable(&mut self, text: &str) -> Result<Prepared, SqlError> {
        let plain = self.statement(text).await?;
        let columns = columns_of(&plain.statement);
        let unknown: Vec<_> = unknown_columns(&plain.statement).collect();
        let Some(first) = unknown.first() else {
            return Ok(Prepared { columns, ..plain });
        };
        let types = unknown.iter().map(|at| {
            let ty = plain.statement.columns()[*at].type_().clone();
            (*at, ty)
        });
        let as_texts = types.collect();
        match self.statement(&with_texts(text, &plain.statement)).await {
            Ok(whole) => Ok(Prepared {
                columns,
                as_texts,
                ..whole
            }),
            Err(SqlError::Database(error)) => {
                let Column { name, type_name } = &columns[*first];
                let message = format!(
                    "the column {name:?} is of type {type_name}, which is not known here; cast it to text in the \
                     statement ({})",
                    error.message
                );
                Err(SqlError::refused("0A000", message))
            }
            Err(error) => Err(error),
        }
    }

    /// Has the server take a statement with its values, and run it from then on.
    async fn begun(
        &mut self,
        command: &Command,
        is_read: bool,
    ) -> Result<(Prepared, RowStream), SqlError> {
        let Command { text, parameters } = command;
        let mut is_first = true;
        loop {
            let prepared = match is_read {
                true => self.readable(text).await?,
                false => self.statement(text).await?,
            };
            check_count(&prepared.statement, parameters)?;
            self.is_running = true;
            let values = parameters.iter().map(Parameter);
            match self.client().query_raw(&prepared.statement, values).await {
                Ok(stream) => return Ok((prepared, stream)),
                Err(error) if is_first && self.may_prepare_anew(text, &prepared, &error) => {
                    is_first = false;
                }
                Err(error) => return self.answered(Err(error), Execution::MaybeExecuted),
            }
        }
    }

    /// Takes note of an answer.
    fn answered<T>(
        &mut self,
        answer: Result<T, Error>,
        execution: Execution,
    ) -> Result<T, SqlError> {
        let answer = answer.map_err(|error| failure(&error, execution));
        match &answer {
            Err(SqlError::Fault(_)) => {}
            Err(error) => {
                self.is_running = false;
                self.leave |= error.state() == Some(READ_ONLY) && !self.is_read_only;
            }
            Ok(_) => self.is_running = false,
        }
        answer
    }

    /// Whether a statement may be prepared anew and sent again, now that it was refused before it ran. In a
    /// transaction it may so only if nothing was sent: else that has failed. One that had failed before runs no
    /// statements.
    fn may_prepare_anew(&self, text: &str, prepared: &Prepared, error: &Error) -> bool {
        let cache = &self.client().statement_cache;
        if is_stale(error) {
            cache.clear();
        } else if prepared.is_from_cache && may_be_of_types(error) {
            let of_text = cache.remove(text, &[]);
            // Also the one that stands for it, if there is one.
            of_text.and_then(|of_text| cache.remove(&with_texts(text, &of_text), &[]));
        } else {
            return false;
        }
        is_refused_here(error) || !self.in_transaction
    }

    /// Runs words of the provider's own.
    async fn control(&mut self, words: &str) -> Result<(), SqlError> {
        self.is_running = true;
        let done = self.client().batch_execute(words).await;
        self.answered(done, Execution::MaybeExecuted)
    }
}

impl Session for PostgresSession {
    async fn begin(&mut self, options: &TransactionOptions) -> Result<(), SqlError> {
        let mut words = "BEGIN".to_owned();
        words.push_str(match options.isolation {
            None => "",
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
        });
        if options.read_only {
            words.push_str(" READ ONLY");
        }
        // The server ends what a node holds that stands still, or was cut off.
        let lasts = self.parts.transaction_ms_max();
        words.push_str(&format!(
            "; SET LOCAL idle_in_transaction_session_timeout = {lasts}"
        ));
        self.in_transaction = true;
        self.is_read_only = options.read_only;
        self.control(&words).await
    }

    async fn end(&mut self, how: End) -> Result<(), SqlError> {
        let ended = match how {
            End::Commit => self.control("COMMIT").await,
            End::Rollback => self.control("ROLLBACK").await,
        };
        // After a refusal it is over, too.
        if !matches!(ended, Err(SqlError::Fault(_))) {
            self.in_transaction = false;
        }
        ended
    }

    async fn savepoint(&mut self, what: Savepoint, name: &str) -> Result<(), SqlError> {
        self.control(&what.statement(name)).await
    }

    async fn execute(&mut self, command: &Command) -> Result<u64, SqlError> {
        let (_prepared, stream) = self.begun(command, false).await?;
        let count = count_of(stream).await;
        self.answered(count, Execution::MaybeExecuted)
    }

    async fn query(&mut self, command: &Command) -> Result<Vec<Column>, SqlError> {
        let (prepared, stream) = self.begun(command, true).await?;
        self.rows = Some(Rows {
            stream: Box::pin(stream),
            as_texts: prepared.as_texts,
        });
        Ok(prepared.columns)
    }

    async fn next(&mut self) -> Result<Vec<Row>, SqlError> {
        let Some(rows) = &mut self.rows else {
            return Ok(Vec::new());
        };
        let (mut piece, mut bytes) = (Vec::new(), 0);
        let ended = std::future::poll_fn(|cx| {
            loop {
                match rows.stream.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(row))) => {
                        bytes += row.raw_size_bytes();
                        piece.push(row);
                        if bytes >= PIECE_BYTES {
                            return Poll::Ready(Ok(false));
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    // What is here is given out before more is waited for.
                    Poll::Pending if !piece.is_empty() => return Poll::Ready(Ok(false)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        let outcome = piece.iter().map(|row| values_of(row, &rows.as_texts));
        let read = outcome.collect::<Result<Vec<_>, _>>();
        match ended {
            Ok(false) => read.map_err(|error| failure(&error, Execution::MaybeExecuted)),
            Ok(true) => {
                self.rows = None;
                self.answered(read, Execution::MaybeExecuted)
            }
            Err(error) => {
                self.rows = None;
                self.answered(Err(error), Execution::MaybeExecuted)
            }
        }
    }

    async fn describe(&mut self, text: &str) -> Result<Description, SqlError> {
        let Prepared { statement, .. } = self.statement(text).await?;
        Ok(Description {
            parameters: statement.params().iter().map(type_name).collect(),
            columns: columns_of(&statement),
        })
    }
}

/// How many rows a statement has changed, or answered with: these go nowhere.
async fn count_of(stream: RowStream) -> Result<u64, Error> {
    let mut stream = pin!(stream);
    while stream.try_next().await?.is_some() {}
    Ok(stream.rows_affected().unwrap_or_default())
}

fn columns_of(statement: &Statement) -> Vec<Column> {
    let columns = statement.columns().iter();
    columns
        .map(|column| Column {
            name: column.name().to_owned(),
            type_name: type_name(column.type_()),
        })
        .collect()
}

fn check_count(statement: &Statement, parameters: &[Value]) -> Result<(), SqlError> {
    let (needed, given) = (statement.params().len(), parameters.len());
    match needed == given {
        true => Ok(()),
        false => {
            let message =
                format!("the statement has {needed} parameters, and {given} values are given");
            Err(SqlError::refused("07001", message))
        }
    }
}

fn values_of(
    row: &tokio_postgres::Row,
    as_texts: &[(usize, tokio_postgres::types::Type)],
) -> Result<Row, Error> {
    let cells = (0..row.len()).map(|at| row.try_get::<_, Cell>(at).map(|Cell(value)| value));
    let mut values = cells.collect::<Result<Row, _>>()?;
    for (at, ty) in as_texts {
        if let Value::Scalar(wrt_sql::Scalar::Text(text)) = &mut values[*at] {
            values[*at] = Value::Scalar(other(ty, std::mem::take(text)));
        }
    }
    Ok(values)
}

/// Gives the connection back, when it is of use to another.
impl Drop for PostgresSession {
    fn drop(&mut self) {
        self.rows = None;
        let Some(client) = self.client.take() else {
            return;
        };
        if client.is_closed() || self.leave {
            // What has a connection of its own is closed with it.
            drop(Object::take(client));
            return;
        }
        if !self.is_running && !self.in_transaction {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(client));
            return;
        };
        let (parts, is_running) = (Arc::clone(&self.parts), self.is_running);
        // As many as there are connections at most: each has one, and it ends within its time.
        runtime.spawn(async move {
            let cleaned = tokio::time::timeout(CLEAN_WITHIN, clean(&client, &parts, is_running));
            if !matches!(cleaned.await, Ok(true)) {
                drop(Object::take(client));
            }
        });
    }
}

/// Has the server stop what runs, and undo what was begun; whether it has.
async fn clean(client: &Object, parts: &Parts, is_running: bool) -> bool {
    let mut undone = pin!(undo(client));
    if !is_running {
        return undone.await;
    }
    loop {
        // Where it fails, what runs is waited for.
        parts.cancel(client).await;
        // A server that is busy may begin only now what it was to stop a moment ago, and a connection that is
        // closed does not end what computes.
        if let Ok(undone) = tokio::time::timeout(CANCELLED_AGAIN_AFTER, &mut undone).await {
            return undone;
        }
    }
}

async fn undo(client: &Object) -> bool {
    // A cancellation may come after what it was meant for, and hit this instead: then once more.
    for _ in 0..UNDONE_MAX {
        match client.batch_execute("ROLLBACK").await {
            Ok(()) => return true,
            Err(error) if error.code().is_some_and(|code| code.code() == CANCELLED) => {}
            Err(_) => return false,
        }
    }
    false
}
