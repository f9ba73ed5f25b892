//! What a guest holds.

use std::{any::Any, sync::Arc};

use wasmtime::component::Resource;
use wrt_contract::{CallContext, Lease};
use wrt_host::InstanceState;

use super::error::HostError;
use crate::native::rows_body::RowsReader;
use crate::{
    Column, Description, Limit, Row, Sql, SqlError, SqlInterface,
    limits::{ABANDONED_ROLLBACK_MAX, HANDLES_MAX},
};

/// A database: a link.
#[derive(Clone)]
pub struct Database(pub(super) Arc<dyn Sql>);

/// A statement that was checked.
#[derive(Clone)]
pub struct Prepared {
    pub(super) database: Database,
    pub(super) text: String,
    pub(super) description: Description,
}

/// Rows that are read as the guest asks for them.
pub struct RowStream {
    pub(super) columns: Vec<Column>,
    reader: Option<RowsReader>,
}

/// A transaction that has not been ended.
pub struct Transaction {
    database: Arc<dyn Sql>,
    /// Taken by the end.
    lease: Option<Lease>,
}

impl Database {
    /// Whether it is there shows at the first statement.
    pub(super) fn of(state: &InstanceState, link: &str) -> Result<Self, SqlError> {
        let database = state.link::<SqlInterface>(link);
        database
            .map(Self)
            .ok_or_else(|| SqlError::NoSuchLink(link.to_owned()))
    }
}

impl RowStream {
    pub(super) fn of(columns: Vec<Column>, reader: RowsReader) -> Self {
        Self {
            columns,
            reader: Some(reader),
        }
    }

    /// At the end, and after an error, what it held is given back.
    pub(super) async fn next(&mut self, rows_max: usize) -> Result<Vec<Row>, SqlError> {
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        let rows = reader.next(rows_max).await;
        if !matches!(&rows, Ok(rows) if !rows.is_empty()) {
            self.reader = None;
        }
        rows
    }
}

impl Transaction {
    pub(super) fn of(database: Arc<dyn Sql>, lease: Lease) -> Self {
        Self {
            database,
            lease: Some(lease),
        }
    }

    /// For an operation in it.
    pub(super) fn parts(&self) -> (Arc<dyn Sql>, Lease) {
        let lease = self.lease.clone().expect("whoever ends it has it alone");
        (Arc::clone(&self.database), lease)
    }

    /// To end it.
    pub(super) fn into_parts(mut self) -> (Arc<dyn Sql>, Lease) {
        let lease = self.lease.take().expect("it is ended once");
        (Arc::clone(&self.database), lease)
    }
}

/// Nobody can end it any more: its connection is wanted back before its time is over.
impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        let database = Arc::clone(&self.database);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // One for each transaction, of which a provider gives so many; and it has a deadline.
        runtime.spawn(async move {
            let context = CallContext::with_budget(ABANDONED_ROLLBACK_MAX).for_operation();
            if let Err(error) = database.rollback(&context, &lease).await {
                tracing::debug!(%error, "an abandoned transaction waits for the end of its time");
            }
        });
    }
}

/// Gives the guest a handle, if it does not hold too many.
pub(super) fn hold<T: Any + Send>(
    state: &mut InstanceState,
    value: T,
) -> Result<Resource<T>, HostError> {
    let is_ours = |entry: &&mut (dyn Any + Send)| {
        entry.is::<Database>()
            || entry.is::<Prepared>()
            || entry.is::<RowStream>()
            || entry.is::<Transaction>()
            || entry.is::<super::wasi::Statement>()
            || entry.is::<super::wasmcloud::Statement>()
    };
    let held = state.table().iter_mut().filter(is_ours).count();
    Limit::Handles.check(held + 1, HANDLES_MAX)?;
    Ok(state.table().push(value)?)
}
