//! A table of its own for a case, and short words for operations that must succeed.

use std::sync::Arc;

use wrt_conformance::unique_name;
use wrt_contract::CallContext;

use crate::{Command, Row, Rows, Scalar, Sql, SqlError, Value};

/// What a case works with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) sql: Arc<dyn Sql>,
    /// A name for a table that is not there yet.
    pub(super) table: String,
}

/// A call with the default budget.
pub(super) fn context() -> CallContext {
    CallContext::default()
}

pub(super) const NULL: Value = Value::Scalar(Scalar::Null);

/// Numbers from 1 on, as a table `n(i)`.
pub(super) fn counting(to: u64, select: &str) -> String {
    format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {to}) {select}"
    )
}

impl Fixture {
    pub(super) fn new(case: &str, sql: Arc<dyn Sql>) -> Self {
        let table = format!("t{}", unique_name(case, 30).replace('-', "_"));
        Self { sql, table }
    }

    /// A statement in which `{t}` is the table.
    pub(super) fn command(&self, text: &str, parameters: impl Into<Vec<Value>>) -> Command {
        Command::new(&text.replace("{t}", &self.table), parameters)
    }

    pub(super) async fn try_execute(
        &self,
        text: &str,
        parameters: impl Into<Vec<Value>>,
    ) -> Result<u64, SqlError> {
        let command = self.command(text, parameters);
        self.sql.execute(&context(), &command).await
    }

    pub(super) async fn execute(&self, text: &str, parameters: impl Into<Vec<Value>>) -> u64 {
        let count = self.try_execute(text, parameters).await;
        count.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub(super) async fn try_query(
        &self,
        text: &str,
        parameters: impl Into<Vec<Value>>,
    ) -> Result<Rows, SqlError> {
        let command = self.command(text, parameters);
        self.sql.query(&context(), &command).await
    }

    pub(super) async fn query(&self, text: &str, parameters: impl Into<Vec<Value>>) -> Vec<Row> {
        let rows = self.try_query(text, parameters).await;
        rows.unwrap_or_else(|error| panic!("{text}: {error}")).rows
    }

    /// The rows of the table.
    pub(super) async fn count(&self) -> i64 {
        number(&self.query("select count(*) from {t}", []).await)
    }

    pub(super) async fn remove(&self) {
        self.execute("drop table {t}", []).await;
    }
}

/// The only value of a result.
pub(super) fn number(rows: &[Row]) -> i64 {
    match rows {
        [row] => match &row[..] {
            [Value::Scalar(Scalar::Int64(number))] => *number,
            other => panic!("no number: {other:?}"),
        },
        other => panic!("not one row: {other:?}"),
    }
}

/// Compares the SQLSTATE of an error.
pub(super) fn assert_state<T: std::fmt::Debug>(
    what: &str,
    outcome: &Result<T, SqlError>,
    expected: &str,
) {
    let error = outcome.as_ref().expect_err(what);
    assert_eq!(error.state(), Some(expected), "{what}: {error:?}");
}
