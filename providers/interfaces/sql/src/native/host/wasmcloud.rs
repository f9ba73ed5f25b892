//! `wasmcloud:postgres@0.1.1-draft`, over the same trait.
//!
//! It has no connections: everything goes by the link `default`. Its values are named after the types of
//! Postgres. One that the trait has a type for goes as that, and any other as a text with its type's name. A
//! value of a result that the package has no word for is an error, which says that the statement has run.
//!
//! What is prepared belongs to the instance that has prepared it, since the package has no word to give it back.
//! A token stands for a text: each connection prepares that when it first runs it.

mod array;
mod cell;
mod float;
mod geometry;
mod literal;
mod parameter;
mod quoted;
#[cfg(test)]
mod tests;
mod time;

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wrt_contract::CallContext;
use wrt_host::InstanceState;
use wrt_protocol::CallId;

use self::bindings::wasmcloud::postgres::{prepared, query};
use super::{error::HostError, handles::hold};
use crate::{
    Command, Limit, Rows, Sql, SqlError, SqlInterface, Value,
    native::{script::Script, value::check_names},
};

pub use self::bindings::wasmcloud::postgres::types;
use types::{
    PgValue, PreparedStatementExecError, QueryError, ResultRow, ResultRowEntry,
    StatementPrepareError,
};

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        inline: "
            package wrt:sql-wasmcloud;

            world component {
                import wasmcloud:postgres/query@0.1.1-draft;
                import wasmcloud:postgres/prepared@0.1.1-draft;
            }
        ",
        path: "../../../wit/deps/wasmcloud-postgres-0.1.1-draft",
        world: "wrt:sql-wasmcloud/component",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
    });
}

pub(super) const TYPES: &str = "wasmcloud:postgres/types@0.1.1-draft";
pub(super) const QUERY: &str = "wasmcloud:postgres/query@0.1.1-draft";
pub(super) const PREPARED: &str = "wasmcloud:postgres/prepared@0.1.1-draft";

/// The link that a guest uses.
const LINK: &str = "default";

/// A text that the database has checked.
pub(super) struct Statement {
    token: String,
    text: String,
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    query::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    prepared::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl types::Host for InstanceState {}

impl query::Host for InstanceState {
    async fn query(
        &mut self,
        query: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<Vec<ResultRow>, QueryError>> {
        let context = self.context().clone();
        Ok(match database(self) {
            Ok(database) => run_query(&*database, &context, query, params).await,
            Err(error) => Err(told(error, false)),
        })
    }

    async fn query_batch(&mut self, query: String) -> wasmtime::Result<Result<(), QueryError>> {
        let context = self.context().clone();
        Ok(match database(self) {
            Ok(database) => run_batch(&*database, &context, &query).await,
            Err(error) => Err(told(error, false)),
        })
    }
}

impl prepared::Host for InstanceState {
    async fn prepare(
        &mut self,
        statement: String,
    ) -> wasmtime::Result<Result<String, StatementPrepareError>> {
        let refused =
            |error: SqlError| Ok(Err(StatementPrepareError::Unexpected(in_words(&error))));
        let database = match database(self) {
            Ok(database) => database,
            Err(error) => return refused(error),
        };
        let context = self.context().clone();
        if let Err(error) = database.describe(&context, &statement).await {
            return refused(error);
        }
        if let Some(known) = find(self, |known| known.text == statement) {
            return Ok(Ok(known.token.clone()));
        }
        let token = format!("prepared-statement-{}", CallId::mint());
        let held = hold(
            self,
            Statement {
                token: token.clone(),
                text: statement,
            },
        );
        match held {
            Ok(_handle) => Ok(Ok(token)),
            Err(HostError::Told(error)) => refused(error),
            Err(HostError::Trap(trap)) => Err(trap),
        }
    }

    async fn exec(
        &mut self,
        stmt_token: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<u64, PreparedStatementExecError>> {
        let Some(known) = find(self, |known| known.token == stmt_token) else {
            return Ok(Err(PreparedStatementExecError::UnknownPreparedQuery));
        };
        let text = known.text.clone();
        let context = self.context().clone();
        Ok(match database(self) {
            Ok(database) => run_statement(&*database, &context, text, params).await,
            Err(error) => Err(PreparedStatementExecError::Unexpected(in_words(&error))),
        })
    }
}

fn database(state: &InstanceState) -> Result<Arc<dyn Sql>, SqlError> {
    let database = state.link::<SqlInterface>(LINK);
    database.ok_or_else(|| SqlError::NoSuchLink(LINK.to_owned()))
}

/// Of those that the instance has prepared.
fn find(state: &mut InstanceState, is_it: impl Fn(&Statement) -> bool) -> Option<&Statement> {
    let held = state.table().iter_mut();
    let mut statements = held.filter_map(|held| held.downcast_ref::<Statement>());
    statements.find(|statement| is_it(statement))
}

/// `query` of the package.
///
/// # Errors
/// As the package has them.
pub async fn run_query(
    database: &dyn Sql,
    context: &CallContext,
    text: String,
    params: Vec<PgValue>,
) -> Result<Vec<ResultRow>, QueryError> {
    let command = command(text, params)?;
    let rows = database.query(context, &command).await;
    shown(rows.map_err(|error| told(error, !command.parameters.is_empty()))?)
}

/// `query-batch` of the package: a text of one statement runs as it is, and several are one transaction, as
/// they are where Postgres is sent them in one text.
///
/// # Errors
/// As the package has them.
pub async fn run_batch(
    database: &dyn Sql,
    context: &CallContext,
    text: &str,
) -> Result<(), QueryError> {
    let script = Script::of(text);
    let commands = script.statements.iter().map(|text| Command::new(text, []));
    let commands: Vec<_> = commands.collect();
    let done = match &commands[..] {
        [alone] if !script.is_a_transaction => database.execute(context, alone).await.map(drop),
        several => database.batch(context, several).await.map(drop),
    };
    done.map_err(|error| told(error, false))
}

/// `exec` of the package, of what was prepared.
///
/// # Errors
/// As the package has them.
pub async fn run_statement(
    database: &dyn Sql,
    context: &CallContext,
    text: String,
    params: Vec<PgValue>,
) -> Result<u64, PreparedStatementExecError> {
    let command = command(text, params).map_err(PreparedStatementExecError::QueryError)?;
    let count = database.execute(context, &command).await;
    count.map_err(|error| match told(error, !command.parameters.is_empty()) {
        QueryError::Unexpected(words) => PreparedStatementExecError::Unexpected(words),
        error => PreparedStatementExecError::QueryError(error),
    })
}

fn command(text: String, params: Vec<PgValue>) -> Result<Command, QueryError> {
    let parameters = parameter::values_of(params).map_err(QueryError::InvalidParams)?;
    Ok(Command { text, parameters })
}

fn shown(rows: Rows) -> Result<Vec<ResultRow>, QueryError> {
    let fits = check_names(&rows);
    fits.map_err(|error| QueryError::Unexpected(format!("the statement was executed: {error}")))?;
    let Rows { columns, rows } = rows;
    let rows = rows.into_iter().map(|row: Vec<Value>| {
        let cells = columns.iter().zip(row).map(|(column, value)| {
            let value = cell::cell(column, value).map_err(QueryError::Unexpected)?;
            Ok(ResultRowEntry {
                column_name: column.name.clone(),
                value,
            })
        });
        cells.collect()
    });
    rows.collect()
}

/// What is wrong with a statement, with its parameters if it has some, or with anything else. A fault says
/// whether the statement may have been executed.
fn told(error: SqlError, has_parameters: bool) -> QueryError {
    let words = in_words(&error);
    let is_of_parameters = |state: &str| {
        // That there are too few of them, that one is of another type, and what data may be wrong with.
        state == "07001" || (has_parameters && (state == "42804" || state.starts_with("22")))
    };
    match &error {
        SqlError::Database(error) if is_of_parameters(&error.state) => {
            QueryError::InvalidParams(words)
        }
        SqlError::OverLimit {
            limit: Limit::Parameters | Limit::ParameterBytes,
            ..
        } => QueryError::InvalidParams(words),
        // Syntax, names and types; what is not supported.
        SqlError::Database(error) if error.state.starts_with("42") || error.state == "0A000" => {
            QueryError::InvalidQuery(words)
        }
        SqlError::Misused(_)
        | SqlError::OverLimit {
            limit: Limit::StatementBytes | Limit::BatchCommands,
            ..
        } => QueryError::InvalidQuery(words),
        _ => QueryError::Unexpected(words),
    }
}

fn in_words(error: &SqlError) -> String {
    if let SqlError::Fault(fault) = error {
        tracing::debug!(%fault, "an SQL call failed");
    }
    error.to_string()
}
