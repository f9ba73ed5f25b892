//! The interface, made of what a database can do.

use std::sync::Arc;

use wrt_contract::{Body, CallContext, Gate, Lease, LeaseLimits, Leases, async_trait};
use wrt_protocol::Hop;

use crate::native::{
    rows_body,
    statement::{check, check_all, check_text},
    transaction::{Taken, Transaction, failed},
    value::rows_bytes,
};
use crate::{
    Column, Command, Description, End, Limit, Pool, Rows, Savepoint, Session, Sql, SqlError,
    TransactionOptions,
    limits::{BATCH_COMMANDS_MAX, RESULT_BYTES_MAX, SAVEPOINT_BYTES_MAX},
};

/// A database behind the gate of its provider, with the transactions that are open.
pub struct SqlProvider<P: Pool> {
    pool: Arc<P>,
    transactions: Leases<Transaction<P::Session>>,
}

impl<P: Pool> SqlProvider<P> {
    /// With at most so many transactions at a time, each at most so long.
    #[must_use]
    pub fn new(pool: Arc<P>, gate: &Arc<Gate>, transactions: LeaseLimits) -> Self {
        Self {
            pool,
            transactions: Leases::new(gate, transactions),
        }
    }

    fn take(&self, lease: &Lease) -> Result<Taken<P::Session>, SqlError> {
        Transaction::take(&self.transactions, lease)
    }

    /// Ends a transaction, of which nobody else hears any more.
    async fn end(&self, context: &CallContext, lease: &Lease, how: End) -> Result<(), SqlError> {
        let mut taken = self.take(lease)?;
        self.transactions.release(lease);
        let is_refused = taken.has_failed() && how == End::Commit;
        let how = if is_refused { End::Rollback } else { how };
        let ended = context
            .bound(Hop::Backend, taken.session().end(how))
            .await?;
        // What is put back goes with the lease: its session is in no transaction any more.
        taken.after(ended)?;
        if is_refused { Err(failed()) } else { Ok(()) }
    }
}

#[async_trait]
impl<P: Pool> Sql for SqlProvider<P> {
    async fn query(&self, context: &CallContext, command: &Command) -> Result<Rows, SqlError> {
        check(command)?;
        let work = async {
            let mut session = self.pool.session(context).await?;
            all_rows(&mut session, command).await
        };
        context.bound(Hop::Backend, work).await?
    }

    async fn execute(&self, context: &CallContext, command: &Command) -> Result<u64, SqlError> {
        check(command)?;
        let work = async {
            let mut session = self.pool.session(context).await?;
            session.execute(command).await
        };
        context.bound(Hop::Backend, work).await?
    }

    async fn batch(
        &self,
        context: &CallContext,
        commands: &[Command],
    ) -> Result<Vec<u64>, SqlError> {
        Limit::BatchCommands.check(commands.len(), BATCH_COMMANDS_MAX)?;
        check_all(commands)?;
        let work = async {
            let mut session = self.pool.session(context).await?;
            run_all(&mut session, commands).await
        };
        context.bound(Hop::Backend, work).await?
    }

    async fn stream(
        &self,
        context: &CallContext,
        command: &Command,
    ) -> Result<(Vec<Column>, Body<SqlError>), SqlError> {
        check(command)?;
        let work = async {
            let mut session = self.pool.session(context).await?;
            let columns = session.query(command).await?;
            Ok::<_, SqlError>((columns, session))
        };
        let (columns, session) = context.bound(Hop::Backend, work).await??;
        Ok((columns, rows_body::of_session(context, session)))
    }

    async fn describe(&self, context: &CallContext, text: &str) -> Result<Description, SqlError> {
        check_text(text)?;
        let work = async {
            let mut session = self.pool.session(context).await?;
            session.describe(text).await
        };
        context.bound(Hop::Backend, work).await?
    }

    async fn begin(
        &self,
        context: &CallContext,
        options: &TransactionOptions,
    ) -> Result<Lease, SqlError> {
        let work = async {
            let mut session = self.pool.session(context).await?;
            session.begin(options).await?;
            Ok::<_, SqlError>(session)
        };
        let session = context.bound(Hop::Backend, work).await??;
        Ok(self.transactions.give(context, Transaction::of(session))?)
    }

    async fn query_in(
        &self,
        context: &CallContext,
        lease: &Lease,
        command: &Command,
    ) -> Result<Rows, SqlError> {
        check(command)?;
        let mut taken = self.take(lease)?.unless_failed()?;
        let work = all_rows(taken.session(), command);
        let rows = context.bound(Hop::Backend, work).await?;
        taken.after(rows)
    }

    async fn execute_in(
        &self,
        context: &CallContext,
        lease: &Lease,
        command: &Command,
    ) -> Result<u64, SqlError> {
        check(command)?;
        let mut taken = self.take(lease)?.unless_failed()?;
        let work = taken.session().execute(command);
        let count = context.bound(Hop::Backend, work).await?;
        taken.after(count)
    }

    async fn stream_in(
        &self,
        context: &CallContext,
        lease: &Lease,
        command: &Command,
    ) -> Result<(Vec<Column>, Body<SqlError>), SqlError> {
        check(command)?;
        let mut taken = self.take(lease)?.unless_failed()?;
        let work = taken.session().query(command);
        match context.bound(Hop::Backend, work).await? {
            Ok(columns) => Ok((columns, rows_body::of_transaction(context, taken))),
            refused => taken.after(refused.map(|_| unreachable!("it is an error"))),
        }
    }

    async fn savepoint(
        &self,
        context: &CallContext,
        lease: &Lease,
        what: &Savepoint,
        name: &str,
    ) -> Result<(), SqlError> {
        Limit::SavepointBytes.check(name.len(), SAVEPOINT_BYTES_MAX)?;
        if name.is_empty() || name.contains('\0') {
            let wrong = "the name of a savepoint has at least one byte, and none that is zero";
            return Err(SqlError::misused(wrong));
        }
        let mut taken = self.take(lease)?;
        if *what != Savepoint::RollbackTo {
            taken = taken.unless_failed()?;
        }
        let work = taken.session().savepoint(*what, name);
        match context.bound(Hop::Backend, work).await? {
            Ok(()) if *what == Savepoint::RollbackTo => {
                taken.recovered();
                Ok(())
            }
            outcome => taken.after(outcome),
        }
    }

    async fn commit(&self, context: &CallContext, lease: &Lease) -> Result<(), SqlError> {
        self.end(context, lease, End::Commit).await
    }

    async fn rollback(&self, context: &CallContext, lease: &Lease) -> Result<(), SqlError> {
        self.end(context, lease, End::Rollback).await
    }
}

/// Runs a statement, and reads its rows to their end.
async fn all_rows(session: &mut impl Session, command: &Command) -> Result<Rows, SqlError> {
    let columns = session.query(command).await?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    loop {
        let some = session.next().await?;
        if some.is_empty() {
            return Ok(Rows { columns, rows });
        }
        bytes += rows_bytes(&some);
        Limit::ResultBytes.check(bytes, RESULT_BYTES_MAX)?;
        rows.extend(some);
    }
}

/// Runs statements in a transaction. One that fails ends it: the session is dropped in it.
async fn run_all(session: &mut impl Session, commands: &[Command]) -> Result<Vec<u64>, SqlError> {
    let options = TransactionOptions {
        isolation: None,
        read_only: false,
    };
    session.begin(&options).await?;
    let mut counts = Vec::with_capacity(commands.len());
    for (at, command) in commands.iter().enumerate() {
        let count = session.execute(command).await;
        counts.push(count.map_err(|error| which(error, at, commands.len()))?);
    }
    session.end(End::Commit).await?;
    Ok(counts)
}

/// Says in an error of the database which statement it is about.
fn which(error: SqlError, at: usize, of: usize) -> SqlError {
    match error {
        SqlError::Database(mut error) => {
            error.message = format!("statement {} of {of}: {}", at + 1, error.message);
            SqlError::Database(error)
        }
        other => other,
    }
}
