//! `wasi:sql@0.2.0-draft`, over the same trait.
//!
//! A result is a list of cells there, row after row. Parameters are texts, and the database makes of each
//! what its place needs. What that package has no word for is a text.

use wasmtime::component::{HasSelf, Linker, Resource};
use wrt_host::InstanceState;

use self::bindings::wasi::sql::{readwrite, types};
use super::{
    error::HostError,
    handles::{Database, hold},
};
use crate::native::{
    scan::with_numbered_parameters,
    value::{array_text, check_names, scalar_text},
};
use crate::{Command, Other, Rows, Scalar, SqlError, Value};

pub(super) mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/sql-0.2.0-draft",
        world: "wasi:sql/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:sql/types.statement": crate::host::wasi::Statement,
            "wasi:sql/types.error": crate::host::wasi::Error,
            "wasi:sql/types.connection": crate::host::handles::Database,
        },
    });
}

pub(super) const TYPES: &str = "wasi:sql/types@0.2.0-draft";
pub(super) const READWRITE: &str = "wasi:sql/readwrite@0.2.0-draft";

/// What `prepare` makes; no database has seen it.
pub struct Statement(Command);

/// What a guest is told, in words.
pub struct Error(String);

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    readwrite::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What a function answers.
type Answer<T> = wasmtime::Result<Result<T, Resource<Error>>>;

/// Gives the guest a handle to an error.
fn told<T>(state: &mut InstanceState, outcome: Result<T, HostError>) -> Answer<T> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(HostError::Trap(trap)) => Err(trap),
        // Not counted: a guest that holds too much must hear of it.
        Err(HostError::Told(error)) => Ok(Err(state.table().push(Error(error.to_string()))?)),
    }
}

impl types::Host for InstanceState {}

impl types::HostStatement for InstanceState {
    async fn prepare(&mut self, query: String, params: Vec<String>) -> Answer<Resource<Statement>> {
        let parameter = |text| {
            Value::Scalar(Scalar::Other(Other {
                type_name: String::new(),
                text,
            }))
        };
        let command = Command {
            text: with_numbered_parameters(&query),
            parameters: params.into_iter().map(parameter).collect(),
        };
        let held = hold(self, Statement(command));
        told(self, held)
    }

    async fn drop(&mut self, statement: Resource<Statement>) -> wasmtime::Result<()> {
        self.table().delete(statement)?;
        Ok(())
    }
}

impl types::HostError for InstanceState {
    async fn trace(&mut self, error: Resource<Error>) -> wasmtime::Result<String> {
        Ok(self.table().get(&error)?.0.clone())
    }

    async fn drop(&mut self, error: Resource<Error>) -> wasmtime::Result<()> {
        self.table().delete(error)?;
        Ok(())
    }
}

impl types::HostConnection for InstanceState {
    async fn open(&mut self, name: String) -> Answer<Resource<Database>> {
        let opened = match Database::of(self, &name) {
            Ok(database) => hold(self, database),
            Err(error) => Err(error.into()),
        };
        told(self, opened)
    }

    async fn drop(&mut self, connection: Resource<Database>) -> wasmtime::Result<()> {
        self.table().delete(connection)?;
        Ok(())
    }
}

impl readwrite::Host for InstanceState {
    async fn query(
        &mut self,
        connection: Resource<Database>,
        statement: Resource<Statement>,
    ) -> Answer<Vec<types::Row>> {
        let Database(database) = self.table().get(&connection)?.clone();
        let context = self.context().clone();
        let command = &self.table().get(&statement)?.0;
        let rows = database.query(&context, command).await;
        told(self, rows.and_then(cells).map_err(HostError::Told))
    }

    async fn exec(
        &mut self,
        connection: Resource<Database>,
        statement: Resource<Statement>,
    ) -> Answer<u32> {
        let Database(database) = self.table().get(&connection)?.clone();
        let context = self.context().clone();
        let command = &self.table().get(&statement)?.0;
        let count = database.execute(&context, command).await;
        let count = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        told(self, count.map_err(HostError::Told))
    }
}

/// Row after row.
fn cells(rows: Rows) -> Result<Vec<types::Row>, SqlError> {
    check_names(&rows)?;
    let Rows { columns, rows } = rows;
    let mut cells = Vec::with_capacity(columns.len() * rows.len());
    for row in rows {
        for (column, value) in columns.iter().zip(row) {
            cells.push(types::Row {
                field_name: column.name.clone(),
                value: cell(value)?,
            });
        }
    }
    Ok(cells)
}

fn cell(value: Value) -> Result<types::DataType, SqlError> {
    let scalar = match value {
        Value::Array(array) => return Ok(types::DataType::Str(array_text(&array)?)),
        Value::Scalar(scalar) => scalar,
    };
    Ok(match scalar {
        Scalar::Boolean(value) => types::DataType::Boolean(value),
        Scalar::Int8(value) => types::DataType::Int32(value.into()),
        Scalar::Int16(value) => types::DataType::Int32(value.into()),
        Scalar::Int32(value) => types::DataType::Int32(value),
        Scalar::Int64(value) => types::DataType::Int64(value),
        Scalar::Uint32(value) => types::DataType::Uint32(value),
        Scalar::Uint64(value) => types::DataType::Uint64(value),
        Scalar::Float32(value) => types::DataType::Float(value.into()),
        Scalar::Float64(value) => types::DataType::Double(value),
        Scalar::Bytes(bytes) => types::DataType::Binary(bytes),
        other => match scalar_text(&other)? {
            None => types::DataType::Null,
            Some(text) => match other {
                Scalar::Date(_) => types::DataType::Date(text),
                Scalar::Time(_) => types::DataType::Time(text),
                Scalar::Timestamp(_) | Scalar::Instant(_) => types::DataType::Timestamp(text),
                _ => types::DataType::Str(text),
            },
        },
    })
}
