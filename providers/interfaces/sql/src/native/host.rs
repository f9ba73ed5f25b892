//! Host glue: the WIT of wrt:sql, of wasi:sql and of wasmcloud:postgres, over the one trait.
//!
//! What a guest holds is on the host: a database is a link, a statement a text, a transaction a lease.

mod error;
mod handles;
#[cfg(test)]
mod tests;
mod transaction;
mod wasi;
pub mod wasmcloud;

use wasmtime::component::{HasSelf, Linker, Resource};
use wrt_host::{Host, InstanceState, Package};

use self::{
    bindings::wrt::sql::{databases, types},
    error::HostError,
    handles::{Database, Prepared, RowStream, Transaction, hold},
};
use crate::native::rows_body::RowsReader;
use crate::{
    Column, Command, Row, Rows, SqlInterface, TransactionOptions, Value, limits::READ_ROWS_MAX,
};

#[allow(missing_docs, reason = "written by bindgen")]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/sql",
        world: "wrt:sql/sql",
        imports: { default: async | trappable },
        with: {
            "wrt:sql/databases.database": crate::host::handles::Database,
            "wrt:sql/databases.prepared": crate::host::handles::Prepared,
            "wrt:sql/databases.row-stream": crate::host::handles::RowStream,
            "wrt:sql/databases.transaction": crate::host::handles::Transaction,
        },
        trappable_error_type: {
            "wrt:sql/types.error" => crate::host::error::HostError,
        },
        // These are the trait's own types: there is one of each.
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize, wrt_contract::Schema],
    });
}

const TYPES: &str = "wrt:sql/types@0.1.0";
const DATABASES: &str = "wrt:sql/databases@0.1.0";

/// `wrt:sql`: databases. A component may say the same, and less, in the words of `wasi:sql` and of
/// `wasmcloud:postgres`.
#[derive(Debug, Clone, Copy, Default)]
pub struct WrtSql;

impl Host for WrtSql {
    fn describe(package: &mut Package) {
        package.answers(&[TYPES, wasi::TYPES, wasmcloud::TYPES]);
        package.imports::<SqlInterface>(&[
            DATABASES,
            wasi::READWRITE,
            wasmcloud::QUERY,
            wasmcloud::PREPARED,
        ]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        databases::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        wasi::add_to_linker(linker)?;
        wasmcloud::add_to_linker(linker)
    }
}

impl types::Host for InstanceState {
    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<types::Error> {
        error.into_words()
    }
}

impl databases::Host for InstanceState {}

impl databases::HostDatabase for InstanceState {
    async fn open(&mut self, link: String) -> Result<Resource<Database>, HostError> {
        let database = Database::of(self, &link)?;
        hold(self, database)
    }

    async fn query(
        &mut self,
        database: Resource<Database>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<Rows, HostError> {
        let Database(database) = self.table().get(&database)?.clone();
        let command = Command { text, parameters };
        Ok(database.query(&self.context().clone(), &command).await?)
    }

    async fn execute(
        &mut self,
        database: Resource<Database>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<u64, HostError> {
        let Database(database) = self.table().get(&database)?.clone();
        let command = Command { text, parameters };
        Ok(database.execute(&self.context().clone(), &command).await?)
    }

    async fn batch(
        &mut self,
        database: Resource<Database>,
        commands: Vec<Command>,
    ) -> Result<Vec<u64>, HostError> {
        let Database(database) = self.table().get(&database)?.clone();
        Ok(database.batch(&self.context().clone(), &commands).await?)
    }

    async fn stream(
        &mut self,
        database: Resource<Database>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<Resource<RowStream>, HostError> {
        let Database(database) = self.table().get(&database)?.clone();
        let command = Command { text, parameters };
        let (columns, body) = database.stream(&self.context().clone(), &command).await?;
        hold(self, RowStream::of(columns, RowsReader::of(body)))
    }

    async fn prepare(
        &mut self,
        database: Resource<Database>,
        text: String,
    ) -> Result<Resource<Prepared>, HostError> {
        let database = self.table().get(&database)?.clone();
        let description = database.0.describe(&self.context().clone(), &text).await?;
        let prepared = Prepared {
            database,
            text,
            description,
        };
        hold(self, prepared)
    }

    async fn begin(
        &mut self,
        database: Resource<Database>,
        options: TransactionOptions,
    ) -> Result<Resource<Transaction>, HostError> {
        let Database(database) = self.table().get(&database)?.clone();
        let lease = database.begin(&self.context().clone(), &options).await?;
        // Where there is no room for it, it is rolled back.
        hold(self, Transaction::of(database, lease))
    }

    async fn drop(&mut self, database: Resource<Database>) -> wasmtime::Result<()> {
        self.table().delete(database)?;
        Ok(())
    }
}

impl databases::HostPrepared for InstanceState {
    async fn parameter_types(
        &mut self,
        prepared: Resource<Prepared>,
    ) -> wasmtime::Result<Vec<String>> {
        Ok(self.table().get(&prepared)?.description.parameters.clone())
    }

    async fn columns(&mut self, prepared: Resource<Prepared>) -> wasmtime::Result<Vec<Column>> {
        Ok(self.table().get(&prepared)?.description.columns.clone())
    }

    async fn query(
        &mut self,
        prepared: Resource<Prepared>,
        parameters: Vec<Value>,
    ) -> Result<Rows, HostError> {
        let Prepared { database, text, .. } = self.table().get(&prepared)?.clone();
        let command = Command { text, parameters };
        Ok(database.0.query(&self.context().clone(), &command).await?)
    }

    async fn execute(
        &mut self,
        prepared: Resource<Prepared>,
        parameters: Vec<Value>,
    ) -> Result<u64, HostError> {
        let Prepared { database, text, .. } = self.table().get(&prepared)?.clone();
        let command = Command { text, parameters };
        Ok(database
            .0
            .execute(&self.context().clone(), &command)
            .await?)
    }

    async fn drop(&mut self, prepared: Resource<Prepared>) -> wasmtime::Result<()> {
        self.table().delete(prepared)?;
        Ok(())
    }
}

impl databases::HostRowStream for InstanceState {
    async fn columns(&mut self, rows: Resource<RowStream>) -> wasmtime::Result<Vec<Column>> {
        Ok(self.table().get(&rows)?.columns.clone())
    }

    async fn next(
        &mut self,
        rows: Resource<RowStream>,
        rows_max: u32,
    ) -> Result<Vec<Row>, HostError> {
        let rows_max = READ_ROWS_MAX.min(rows_max as usize);
        Ok(self.table().get_mut(&rows)?.next(rows_max).await?)
    }

    async fn drop(&mut self, rows: Resource<RowStream>) -> wasmtime::Result<()> {
        self.table().delete(rows)?;
        Ok(())
    }
}
